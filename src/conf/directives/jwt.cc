// auth_jwt and its relatives, as NGINX Plus has them, for signed tokens.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "route/template.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

void set_auth_jwt(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->auth_jwt;
  if (place) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  AuthJwtModel model;
  model.at = directive.name.at;
  model.off = words[0].text == "off";
  model.realm = words[0];
  if (words.size() == 2) {
    const auto token = parameter(words[1], "token=");
    if (!token || token->size() < 2 || !token->starts_with('$')) {
      return reader.invalid_parameter(directive, words[1], "token=$variable");
    }
    if (model.off)
      return reader.not_built(words[1], "'auth_jwt off' with a token", "claims of unchecked tokens stay out of reach");
    Word name = words[1];
    name.text = *token;
    model.token = std::move(name);
  }
  place = std::move(model);
}

void add_key_file(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (has_variable(word)) return reader.not_built(word, "'auth_jwt_key_file' with variables", "name a file");
  if (word.text.empty()) return reader.invalid_value(directive, word, "a file name is expected");
  add_word<&O::jwt_key_files>(reader, scope, directive);
}

void check_type(Reader& reader, const Scope&, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (word.text == "signed") return;
  if (word.text == "encrypted" || word.text == "nested") {
    return reader.not_built(word, cat("'auth_jwt_type ", word.text, "'"), "signed tokens are built");
  }
  reader.invalid_value(directive, word, "signed");
}

void add_require(Reader& reader, const Scope& scope, const Directive& directive) {
  JwtRequireModel require;
  const std::vector<Word>& words = directive.arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    if (const auto status = parameter(word, "error=")) {
      if ((*status != "401" && *status != "403") || i + 1 != words.size()) {
        return reader.invalid_parameter(directive, word, "error=401 or error=403, at the end");
      }
      require.status = *status == "403" ? 403 : 401;
    } else if (word.text.starts_with('$') && word.text.size() > 1) {
      require.values.push_back(word);
    } else {
      return reader.invalid_value(directive, word, "a value must begin with a variable");
    }
  }
  if (require.values.empty()) {
    return reader.error(code::argument_count, "'auth_jwt_require' needs a variable", directive.name.at);
  }
  auto& requires_here = scope.level->jwt_requires;
  if (!requires_here) requires_here.emplace();
  requires_here->push_back(std::move(require));
}

void set_cache(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const auto text = parameter(word, "size=");
  if (!text) return reader.invalid_parameter(directive, word, "size=N");
  detail::set_once<&Model::token_cache_entries>(reader, scope, directive,
                                                reader.number(directive, word, *text, 0, 10'000'000));
}

template <bool in_header>
void add_jwt_path(Reader& reader, const Scope&, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  JwtPathModel model;
  model.variable = words[0];
  model.in_header = in_header;
  const std::string_view name = words[0].text;
  const auto in_names = [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  if (name.size() < 2 || name[0] != '$' || !std::ranges::all_of(name.substr(1), in_names)) {
    return reader.error(code::bad_variable, cat("invalid variable name '", printable(name), "'"), words[0].at,
                        cat(directive.name.text, " $name claim [inner …]"));
  }
  model.name = to_lower(name.substr(1));
  const auto taken = [&](const auto& other) { return other.name == model.name; };
  if (std::ranges::any_of(reader.model().jwt_paths, taken) || std::ranges::any_of(route::variable_table(), taken)) {
    return reader.error(code::taken_name, cat("the variable '$", model.name, "' is already defined"), words[0].at);
  }
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (i > 1) model.path += route::path_separator;
    if (words[i].text.find(route::path_separator) != std::string::npos || words[i].text.empty()) {
      return reader.invalid_value(directive, words[i], "the name of a claim");
    }
    model.path += words[i].text;
  }
  reader.model().jwt_paths.push_back(std::move(model));
}

void check_key_cache(Reader& reader, const Scope&, const Directive& directive) {
  reader.time_s(directive, directive.arguments[0], directive.arguments[0].text);
}

constexpr DirectiveRow rows[] = {
    {"auth_jwt",
     in_levels,
     {1, 2},
     Support::built,
     set_auth_jwt,
     "off",
     "Asks for a valid token: REALM [token=$variable] or off; without `token=` it is taken from Authorization: "
     "Bearer."},
    {"auth_jwt_key_file",
     in_levels,
     {1, 1},
     Support::built,
     add_key_file,
     "",
     "A JSON Web Key Set that verifies tokens; several accumulate. Read when the configuration is; if one cannot be "
     "used the location answers 503."},
    {"auth_jwt_leeway",
     in_levels,
     {1, 1},
     Support::built,
     set_time_s<&O::jwt_leeway_s>,
     "0s",
     "How far clocks may differ when exp and nbf are checked."},
    {"auth_jwt_type", in_levels, {1, 1}, Support::built, check_type, "signed", "The form of tokens: signed only."},
    {"auth_jwt_require",
     in_levels,
     {1, many},
     Support::built,
     add_require,
     "",
     "After the token was verified all values must be non-empty and not 0, else 401, or 403 with error=403."},
    {"auth_jwt_claim_set",
     in_http,
     {2, many},
     Support::built,
     add_jwt_path<false>,
     "",
     "A variable for a claim, found by the names of members from the top; the elements of an array are joined by "
     "commas."},
    {"auth_jwt_header_set",
     in_http,
     {2, many},
     Support::built,
     add_jwt_path<true>,
     "",
     "As auth_jwt_claim_set, of the token's header."},
    {"auth_jwt_key_cache",
     in_levels,
     {1, 1},
     Support::ignored,
     check_key_cache,
     "0",
     "No effect: key files are read when the configuration is."},
    {"auth_jwt_cache",
     in_http,
     {1, 1},
     Support::built,
     set_cache,
     "size=10000",
     "How many verified tokens each worker remembers; changes cost, never the answer; 0: none."},
};

}  // namespace

std::span<const DirectiveRow> jwt_rows() { return rows; }

}  // namespace keepgate::conf

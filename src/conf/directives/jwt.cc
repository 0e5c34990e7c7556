// auth_jwt and its relatives, as NGINX Plus has them.
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

void add_key_request(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (!check_subrequest_uri(reader, directive, word)) return;
  add_word<&O::jwt_key_requests>(reader, scope, directive);
}

void set_type(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->jwt_form;
  if (place) return reader.duplicate(directive);
  const Word& word = directive.arguments[0];
  for (const auth::TokenForm form : {auth::TokenForm::jws, auth::TokenForm::jwe, auth::TokenForm::nested}) {
    if (word.text == auth::name_of(form)) {
      place = {form, directive.name.at};
      return;
    }
  }
  reader.invalid_value(directive, word, "signed, encrypted or nested");
}

// 444 closes without an answer and 499 is what a log says of a client that went away: neither answers a refusal.
std::optional<std::uint16_t> refusal_status(std::string_view text, bool of_token) {
  if (of_token)
    return text == "401" || text == "403" ? std::optional<std::uint16_t>(text == "401" ? 401 : 403) : std::nullopt;
  if (text.size() != 3 || (text[0] != '4' && text[0] != '5') || !is_digit(text[1]) || !is_digit(text[2]))
    return std::nullopt;
  const auto status = static_cast<std::uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
  return status == 444 || status == 499 ? std::nullopt : std::optional(status);
}

template <bool of_token>
void add_require(Reader& reader, const Scope& scope, const Directive& directive) {
  JwtRequireModel require;
  require.status = of_token ? 401 : 403;
  const std::vector<Word>& words = directive.arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    if (const auto text = parameter(word, "error=")) {
      const std::optional<std::uint16_t> status = refusal_status(*text, of_token);
      if (!status || i + 1 != words.size()) {
        return reader.invalid_parameter(
            directive, word, of_token ? "error=401 or error=403, at the end" : "error=4xx or error=5xx, at the end");
      }
      require.status = *status;
    } else if (word.text.starts_with('$') && word.text.size() > 1) {
      require.values.push_back(word);
    } else {
      return reader.invalid_value(directive, word, "a value must begin with a variable");
    }
  }
  if (require.values.empty()) {
    return reader.error(code::argument_count, cat("'", directive.name.text, "' needs a variable"), directive.name.at);
  }
  auto& requires_here = of_token ? scope.level->jwt_requires : scope.level->auth_requires;
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

void set_dpop_scheme(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (word.text != "http" && word.text != "https") return reader.invalid_value(directive, word, "http or https");
  detail::set_once<&O::dpop_over_tls>(reader, scope, directive, std::optional<bool>(word.text == "https"));
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

// Beyond it a token would outlive its entry in a list of revocations, which its issuer keeps for as long behind its
// end.
constexpr std::int64_t leeway_s_max = 600;

void set_leeway(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const auto value = reader.time_s(directive, word, word.text);
  if (value && *value > leeway_s_max) return reader.invalid_value(directive, word, "at most 10m");
  detail::set_once<&O::jwt_leeway_s>(reader, scope, directive, value);
}

constexpr DirectiveRow jwt_table[] = {
    {"auth_jwt",
     in_levels | in_limit_except,
     {1, 2},
     Support::built,
     set_auth_jwt,
     "off",
     "Asks for a valid token: REALM [token=$variable] or off; without `token=` it is taken from Authorization: "
     "Bearer. `off token=$variable` checks nothing and still lets the claims of a signed token be read."},
    {"auth_jwt_key_file",
     in_levels | in_limit_except,
     {1, 1},
     Support::built,
     add_key_file,
     "",
     "A JSON Web Key Set that verifies tokens; several accumulate. Read when the configuration is; if one cannot be "
     "used the location answers 503."},
    {"auth_jwt_key_request",
     in_levels,
     {1, 1},
     Support::built,
     add_key_request,
     "",
     "A path of this server whose location serves a JSON Web Key Set that verifies tokens; several accumulate, and so "
     "do key files. The subrequest carries nothing of a client. Keys that cannot be had answer 500."},
    {"auth_jwt_leeway",
     in_levels,
     {1, 1},
     Support::built,
     set_leeway,
     "0s",
     "How far clocks may differ when exp and nbf are checked: at most 10m, for what was revoked is told for as long "
     "behind its end."},
    {"auth_jwt_type",
     in_levels | in_limit_except,
     {1, 1},
     Support::built,
     set_type,
     "signed",
     "The form of tokens: signed (JWS), encrypted (JWE) or nested (a signed token inside an encrypted one). Keys with "
     "use enc decrypt; the claims of encrypted tokens can be read after the access phase only."},
    {"auth_jwt_require",
     in_levels | in_limit_except,
     {1, many},
     Support::built,
     add_require<true>,
     "",
     "After the token was verified all values must be non-empty and not 0, else 401, or 403 with error=403."},
    {"auth_require",
     in_levels | in_limit_except,
     {1, many},
     Support::built,
     add_require<false>,
     "",
     "After all credentials were checked all values must be non-empty and not 0, else 403 or error=CODE; several may "
     "have different codes."},
    {"auth_delay",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::auth_delay_ms>,
     "0s",
     "How long a 401 of the access phase is held back, against attacks that measure time."},
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
    {"auth_dpop_scheme",
     in_levels,
     {1, 1},
     Support::built,
     set_dpop_scheme,
     "",
     "http or https: how clients see this server, where TLS ends in front of it; else as the connection is. The URL in "
     "a DPoP proof has to begin so. Tokens that are bound to a key (cnf.jkt) need a proof without any directive."},
    {"auth_jwt_key_cache",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::jwt_key_cache_ms>,
     "0",
     "How long the keys of auth_jwt_key_request are used before they are asked for again; 0: they are asked for with "
     "every token. Key files are read when the configuration is."},
    {"auth_jwt_cache",
     in_http,
     {1, 1},
     Support::built,
     set_cache,
     "size=10000",
     "How many verified tokens each worker remembers; changes cost, never the answer; 0: none."},
};

}  // namespace

std::span<const DirectiveRow> jwt_rows() { return jwt_table; }

}  // namespace keepgate::conf

// auth_api_key and its relatives: keys made by `keepgate key`.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;
using auth::ApiKeyPlace;
using auth::ApiKeyPlaceKind;

constexpr std::string_view default_field = "X-API-Key";

// Fields that mean something else to everybody on the way.
bool is_taken(std::string_view name) {
  constexpr std::string_view taken[] = {"Host",         "Connection", "Content-Length", "Transfer-Encoding",
                                        "Content-Type", "Cookie",     "Upgrade",        "TE",
                                        "Trailer",      "Expect",     "Txn-Token"};
  return std::ranges::any_of(taken, [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

// RFC 3986 unreserved: a name that is spelt one way in a query.
bool is_argument_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '~';
  });
}

bool add_place(Reader& reader, const Directive& directive, const Word& word, std::vector<ApiKeyPlace>& places) {
  const auto refuse = [&](std::string_view help) {
    reader.invalid_parameter(directive, word, std::string(help));
    return false;
  };
  const auto text = parameter(word, "in=");
  if (!text) return refuse("in=header:NAME, in=query:NAME or in=cookie:NAME");
  const std::size_t colon = text->find(':');
  const std::string_view kind = text->substr(0, colon);
  const std::string_view name = colon == std::string_view::npos ? std::string_view() : text->substr(colon + 1);
  ApiKeyPlace place;
  place.name = name;
  if (kind == "header") {
    if (!is_field_name(name) || is_taken(name))
      return refuse("the name of a header field of its own, or Authorization");
  } else if (kind == "query") {
    place.kind = ApiKeyPlaceKind::query;
    if (!is_argument_name(name)) return refuse("the name of an argument: letters, digits, - _ . ~");
  } else if (kind == "cookie") {
    place.kind = ApiKeyPlaceKind::cookie;
    if (!is_field_name(name)) return refuse("the name of a cookie");
  } else {
    return refuse("in=header:NAME, in=query:NAME or in=cookie:NAME");
  }
  const auto is_same = [&](const ApiKeyPlace& other) {
    return other.kind == place.kind && equals_ignoring_case(other.name, place.name);
  };
  if (std::ranges::any_of(places, is_same)) return refuse("each place once");
  places.push_back(std::move(place));
  return true;
}

void set_auth_api_key(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& setting = scope.level->auth_api_key;
  if (setting) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  ApiKeyModel model;
  model.at = directive.name.at;
  model.off = words[0].text == "off";
  model.realm = words[0];
  if (model.off && words.size() > 1) return reader.invalid_parameter(directive, words[1], "auth_api_key off;");
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!add_place(reader, directive, words[i], model.places)) return;
  }
  if (model.places.empty()) model.places.push_back({ApiKeyPlaceKind::header, std::string(default_field)});
  setting = std::move(model);
}

void set_key_file(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& setting = scope.level->api_key_file;
  if (setting) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  ApiKeyFileModel model;
  model.path = words[0];
  if (words.size() == 2) {
    const auto secret = parameter(words[1], "secret=");
    if (!secret || secret->empty()) return reader.invalid_parameter(directive, words[1], "secret=FILE");
    model.secret = std::string(*secret);
  }
  for (const Word& word : words) {
    if (has_variable(word)) return reader.not_built(word, "'auth_api_key_file' with variables", "name a file");
  }
  if (model.path.text.empty()) return reader.invalid_value(directive, words[0], "a file name is expected");
  setting = std::move(model);
}

constexpr DirectiveRow api_key_table[] = {
    {"auth_api_key",
     in_levels,
     {1, many},
     Support::built,
     set_auth_api_key,
     "off",
     "Asks for a key made by `keepgate key`: REALM [in=header:NAME|query:NAME|cookie:NAME …] or off; without `in=` the "
     "key is in the field X-API-Key. Of Authorization it is the credential of the scheme ApiKey, or of Bearer when it "
     "begins with kg_."},
    {"auth_api_key_file",
     in_levels,
     {1, 2},
     Support::built,
     set_key_file,
     "",
     "FILE [secret=FILE]: the file of keys, and the secret that their hashes are made with (FILE.secret). Changes are "
     "in "
     "effect within a second, without a reload; until the file can be read the location answers 503."},
    {"auth_api_key_forward",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::api_key_forward>,
     "off",
     "Whether the service behind sees the key. With off it is taken out of fields, arguments and cookies once it was "
     "checked, and no variable shows it."},
};

}  // namespace

std::span<const DirectiveRow> api_key_rows() { return api_key_table; }

}  // namespace keepgate::conf

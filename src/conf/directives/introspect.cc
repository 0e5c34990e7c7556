// auth_introspect: whom to ask about opaque tokens, and what is demanded of them.
#include "base/bytes.h"
#include "conf/directives/row.h"
#include "issuer/document.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t introspect_audiences_max = 32;
constexpr std::int64_t cache_ms_max = 3'600'000;
constexpr std::int64_t call_ms_min = 50, call_ms_max = 30'000;
constexpr std::string_view introspect_help =
    "cache=TIME timeout=TIME client_id=ID client_secret_file=FILE issuer=URL audience=NAME realm=NAME ca=FILE "
    "allow_private allow_http";

void set_span(Reader& reader, const Directive& directive, const Word& word, std::string_view text, std::int64_t least,
              std::int64_t most, std::int64_t& out) {
  const auto ms = reader.time_ms(directive, word, text);
  if (!ms) return;
  if (*ms < least || *ms > most) {
    return reader.invalid_parameter(directive, word, least == 0 ? "cache=TIME: at most 1h" : "between 50ms and 30s");
  }
  out = *ms;
}

bool set_introspect_parameter(Reader& reader, const Directive& directive, const Word& word, IntrospectModel& model) {
  const auto named = [&](Word name, std::string_view text) {
    name.text = text;
    return name;
  };
  if (word.text == "allow_private") {
    model.allow_private = true;
  } else if (word.text == "allow_http") {
    model.allow_plain = true;
  } else if (const auto id = parameter(word, "client_id="); id && is_client_id(*id) && !model.client_id) {
    model.client_id = named(word, *id);
  } else if (const auto secret = parameter(word, "client_secret_file=");
             secret && !secret->empty() && !model.secret_file) {
    model.secret_file = named(word, *secret);
  } else if (const auto file = parameter(word, "ca="); file && !file->empty() && !model.authorities) {
    model.authorities = named(word, *file);
  } else if (const auto issuer = parameter(word, "issuer="); issuer && !issuer->empty() && model.issuer.empty()) {
    model.issuer = *issuer;
  } else if (const auto realm = parameter(word, "realm="); realm && !realm->empty() && model.realm.empty()) {
    model.realm = *realm;
  } else if (const auto audience = parameter(word, "audience="); audience && !audience->empty()) {
    if (model.audiences.size() == introspect_audiences_max) return false;
    model.audiences.emplace_back(*audience);
  } else if (const auto cache = parameter(word, "cache=")) {
    set_span(reader, directive, word, *cache, 0, cache_ms_max, model.cache_ms);
  } else if (const auto timeout = parameter(word, "timeout=")) {
    set_span(reader, directive, word, *timeout, call_ms_min, call_ms_max, model.timeout_ms);
  } else {
    return false;
  }
  return true;
}

void set_introspect(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& setting = scope.level->auth_introspect;
  if (setting) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  IntrospectModel model;
  model.at = directive.name.at;
  model.off = words[0].text == "off";
  model.url = words[0];
  if (model.off && words.size() > 1) return reader.invalid_parameter(directive, words[1], "auth_introspect off;");
  for (const Word& word : words) {
    if (has_variable(word)) return reader.not_built(word, "'auth_introspect' with variables", "write the value");
  }
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!set_introspect_parameter(reader, directive, words[i], model)) {
      return reader.invalid_parameter(directive, words[i], std::string(introspect_help));
    }
  }
  if (!model.off) {
    const std::string why = issuer::trouble_with_url(words[0].text, model.allow_plain);
    if (!why.empty()) return reader.invalid_value(directive, words[0], cat("the endpoint's URL, or off; ", why));
    if (model.client_id.has_value() != model.secret_file.has_value()) {
      return reader.error(code::bad_parameter, "client_id and client_secret_file belong together", directive.name.at,
                          "client_id=ID client_secret_file=FILE");
    }
  }
  setting = std::move(model);
}

constexpr DirectiveRow introspect_table[] = {
    {"auth_introspect",
     in_levels,
     {1, 60},
     Support::built,
     set_introspect,
     "off",
     "Asks for a bearer token that URL, an introspection endpoint (RFC 7662), calls active; or off. What it says of "
     "the "
     "token are its claims. `client_id=` and `client_secret_file=` (readable by its owner alone) are shown to the "
     "endpoint; `issuer=` and `audience=` (several) are demanded of tokens. A good answer is believed for `cache=` (0, "
     "at most 1h, never beyond exp), a bad one for 5 seconds. No answer within `timeout=` (3s), or none that can be "
     "used: 503. `ca=FILE`, `allow_private` and `allow_http` (on this machine) are about the way to it; `realm=` is "
     "for "
     "WWW-Authenticate. Where auth_jwt is asked for as well, what has the form of a JWT is verified as one, and the "
     "endpoint is asked about all other tokens."},
};

}  // namespace

std::span<const DirectiveRow> introspect_rows() { return introspect_table; }

}  // namespace keepgate::conf

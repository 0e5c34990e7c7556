// auth_jwt_issuer: whose tokens are believed, and how their keys are come by.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "issuer/document.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t issuers_max = 16;  // Of a level: each is looked at for every token.
constexpr std::size_t audiences_max = 32;
constexpr std::int64_t refresh_s_min = 1, keep_s_max = 7 * 86'400;

using crypto::Algorithm;

bool is_secret(Algorithm algorithm) {
  return algorithm == Algorithm::hs256 || algorithm == Algorithm::hs384 || algorithm == Algorithm::hs512;
}

// "RS256,ES256": a secret that an issuer publishes verifies nothing.
void set_algorithms(Reader& reader, const Directive& directive, const Word& word, std::string_view names,
                    std::vector<Algorithm>& out) {
  while (true) {
    const std::size_t comma = names.find(',');
    const Algorithm one = crypto::algorithm_named(names.substr(0, comma));
    if (one == Algorithm::none || is_secret(one)) {
      return reader.invalid_parameter(directive, word, "algorithms=RS256,ES256,…: any of JOSE but HS256, HS384, HS512");
    }
    out.push_back(one);
    if (comma == std::string_view::npos) return;
    names.remove_prefix(comma + 1);
  }
}

void set_time(Reader& reader, const Directive& directive, const Word& word, std::string_view text, std::int64_t& out) {
  const auto seconds = reader.time_s(directive, word, text);
  if (!seconds) return;
  if (*seconds < refresh_s_min || *seconds > keep_s_max) {
    return reader.invalid_parameter(directive, word, "between 1s and 7d");
  }
  out = *seconds * 1000;
}

bool set_parameter(Reader& reader, const Directive& directive, const Word& word, JwtIssuerModel& model) {
  const auto named = [&](Word name, std::string_view text) {
    name.text = text;
    return name;
  };
  if (word.text == "allow_private") {
    model.allow_private = true;
  } else if (word.text == "allow_http") {
    model.allow_plain = true;
  } else if (word.text == "typ=at+jwt") {
    model.only_access_tokens = true;
  } else if (const auto keys = parameter(word, "jwks="); keys && !keys->empty() && !model.keys) {
    model.keys = named(word, *keys);
  } else if (const auto file = parameter(word, "ca="); file && !file->empty() && !model.authorities) {
    model.authorities = named(word, *file);
  } else if (const auto audience = parameter(word, "audience="); audience && !audience->empty()) {
    if (model.audiences.size() == audiences_max) return false;
    model.audiences.emplace_back(*audience);
  } else if (const auto names = parameter(word, "algorithms="); names && model.algorithms.empty()) {
    set_algorithms(reader, directive, word, *names, model.algorithms);
  } else if (const auto refresh = parameter(word, "refresh=")) {
    set_time(reader, directive, word, *refresh, model.refresh_ms);
  } else if (const auto keep = parameter(word, "keep=")) {
    set_time(reader, directive, word, *keep, model.keep_ms);
  } else {
    return false;
  }
  return true;
}

void add_issuer(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  JwtIssuerModel model;
  model.issuer = words[0];
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!set_parameter(reader, directive, words[i], model)) {
      return reader.invalid_parameter(directive, words[i],
                                      "jwks=URL|FILE audience=NAME algorithms=LIST typ=at+jwt refresh=TIME keep=TIME "
                                      "ca=FILE allow_private allow_http");
    }
  }
  if (const std::string why = issuer::trouble_with_issuer(words[0].text, model.allow_plain); !why.empty()) {
    return reader.invalid_value(directive, words[0], cat("the issuer's URL as `iss` says it; ", why));
  }
  const bool is_url = model.keys && model.keys->text.find("://") != std::string::npos;
  if (is_url) {
    const std::string why = issuer::trouble_with_url(model.keys->text, model.allow_plain);
    if (!why.empty()) return reader.invalid_parameter(directive, *model.keys, cat("jwks=URL or jwks=FILE; ", why));
  }
  if (model.keep_ms < model.refresh_ms) {
    return reader.error(code::bad_parameter, "keep is shorter than refresh: the keys would be too old in between",
                        directive.name.at);
  }
  auto& issuers = scope.level->jwt_issuers;
  if (!issuers) issuers.emplace();
  const auto is_same = [&](const JwtIssuerModel& one) { return one.issuer.text == model.issuer.text; };
  if (std::ranges::any_of(*issuers, is_same)) return reader.duplicate(directive);
  if (issuers->size() == issuers_max) {
    return reader.error(code::too_much, cat("more than ", issuers_max, " issuers"), directive.name.at);
  }
  issuers->push_back(std::move(model));
}

constexpr DirectiveRow issuer_table[] = {
    {"auth_jwt_issuer",
     in_levels,
     {1, 60},
     Support::built,
     add_issuer,
     "",
     "An issuer whose access tokens are accepted where auth_jwt asks for one: its keys are found by discovery (or "
     "`jwks=URL|FILE`), fetched and kept fresh in the background: asked for again after what it says, at the latest "
     "after `refresh=` (10m), used for `keep=` (1h) while it cannot be reached, then 503. `audience=` (several), "
     "`algorithms=` and `typ=at+jwt` are demanded of tokens; `ca=FILE`, `allow_private` and `allow_http` (on this "
     "machine) are about the way to it. Several issuers accumulate."},
};

}  // namespace

std::span<const DirectiveRow> issuer_rows() { return issuer_table; }

}  // namespace keepgate::conf

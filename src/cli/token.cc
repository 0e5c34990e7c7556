// `keepgate token`: a token never comes in argv, where every user of the machine could read it.
#include "cli/token.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "conf/values.h"
#include "crypto/base64url.h"
#include "crypto/json.h"
#include "crypto/jws.h"

namespace keepgate::cli {

namespace {

using crypto::Json;

constexpr Command token_verbs[] = {
    {"mint", "sign a token with a private JWK", run_token_mint},
    {"inspect", "show what a token says, without verifying it", run_token_inspect},
    {"verify", "verify a token with a key set", run_token_verify},
};
constexpr Example token_examples[] = {
    {"keepgate token mint --key issuer.jwk --client web --sub alice --role admin >token", ""},
    {"keepgate token inspect <token", ""},
    {"keepgate token verify --jwks jwks.json --aud shop <token", ""},
};

// The decoded part as JSON if it is that, else as text; null if it is not even base64url.
Json shown(std::string_view part) {
  const std::optional<std::string> bytes = crypto::base64url_decode(part);
  if (!bytes) return Json();
  if (Result<Json> json = crypto::parse_json(*bytes)) return std::move(*json);
  return Json(printable(*bytes, bytes->size()));
}

std::vector<std::string_view> split(std::string_view token) {
  std::vector<std::string_view> parts;
  constexpr std::size_t parts_max = 6;
  while (parts.size() < parts_max) {
    const std::size_t dot = token.find('.');
    parts.push_back(token.substr(0, dot));
    if (dot == std::string_view::npos) break;
    token.remove_prefix(dot + 1);
  }
  return parts;
}

void say_times(const Json& claims) {
  constexpr std::string_view names[] = {"iat", "nbf", "exp", "auth_time"};
  const std::int64_t now = Now::read().wall_s();
  for (const std::string_view name : names) {
    const Json* value = claims.find(name);
    if (!value || !value->integer()) continue;
    say(cat("  ", name, "  ", utc_time(*value->integer()), "  (", relative_time(*value->integer(), now), ')'));
  }
}

}  // namespace

int run_token(int argc, char** argv) { return run_noun({"token", token_verbs, token_examples}, argc, argv); }

std::optional<std::int64_t> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::optional<std::int64_t> seconds = conf::parse_time_s(text);
  if (!seconds) return std::nullopt;
  return negative ? -*seconds : *seconds;
}

int run_token_inspect(int argc, char** argv) {
  Arguments arguments("token inspect",
                      "Reads a token from standard input and shows its header and claims as JSON. Nothing is verified.",
                      {{"keepgate token inspect <token", ""}, {"keepgate token inspect <token | jq .claims.sub", ""}});
  if (const auto code = arguments.parse(argc, argv)) return *code;
  const Result<std::string> token = read_token();
  if (!token) {
    complain("token inspect", token.error().detail);
    return exit_failure;
  }
  const std::vector<std::string_view> parts = split(*token);
  const bool encrypted = parts.size() == 5;
  if (parts.size() < 2) {
    complain("token inspect", "this is no JWT: there is no '.' in it (an opaque token says nothing by itself)");
    return exit_failure;
  }
  JsonObject out;
  out.add("header", shown(parts[0]));
  const Json claims = encrypted ? Json() : shown(parts[1]);
  out.add("claims", claims);
  say("not verified: anybody could have written this (`keepgate token verify` checks it)");
  if (encrypted) say("it is encrypted (JWE): the claims cannot be read without the key");
  if (const auto jws = crypto::parse_jws(*token); !jws && !encrypted) {
    say(cat("Keepgate would refuse it whatever the key: ", jws.error().detail));
  }
  say_times(claims);
  return print(pretty(out.take()));
}

}  // namespace keepgate::cli

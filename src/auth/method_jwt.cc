// auth_jwt: a bearer token (RFC 6750) or a token from a variable, verified as a JWT.
#include "auth/challenge.h"
#include "auth/issued.h"
#include "auth/methods.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

// The text of the client's token; empty if there is none.
Result<std::string_view> token_text(const AuthInput& in) {
  if (in.options.jwt.token) return in.variables.variable(*in.options.jwt.token);
  const http::HeaderLine* found = nullptr;
  for (const http::HeaderLine& line : in.head.headers) {
    if (line.field != http::Field::authorization) continue;
    if (found) return fail(ErrorKind::refused, Blame::client, "invalid_token", "two Authorization fields");
    found = &line;
  }
  return found ? bearer_token(found->value) : Result<std::string_view>(std::string_view());
}

}  // namespace

AuthResult authenticate_by_jwt(const AuthInput& input) {
  const JwtOptions& jwt = input.options.jwt;
  if (!jwt.keys && jwt.issuers.empty())
    return AuthResult::is_unavailable("the key set of this location cannot be used");
  const Result<std::string_view> text = token_text(input);
  if (!text) return AuthResult::is_bad(text.error().detail);
  if (!jwt.issuers.empty()) {
    return authenticate_issued(*text, jwt, input.now, input.token_cache, input.share, input.answers);
  }
  return authenticate_jwt(*text, jwt, input.now, input.token_cache, input.share);
}

std::string describe_jwt(const AuthOptions& options) {
  const std::size_t keys = options.jwt.keys ? options.jwt.keys->keys.size() : 0;
  std::string out = "a JWT (auth_jwt";
  for (const AcceptedIssuer& accepted : options.jwt.issuers) append(out, ", of ", accepted.issuer->options().issuer);
  if (keys > 0 || options.jwt.issuers.empty()) append(out, ", ", keys, keys == 1 ? " key" : " keys");
  return out + ")";
}

std::string challenge_for_jwt(const AuthInput& input, std::string_view error) {
  return challenge("Bearer", input.options.jwt.realm.evaluate(input.variables, input.arena), error);
}

}  // namespace keepgate::auth

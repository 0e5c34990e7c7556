// auth_jwt: a bearer token (RFC 6750) or a token from a variable, verified as a JWT.
#include "auth/challenge.h"
#include "auth/issued.h"
#include "auth/methods.h"
#include "auth/possession.h"
#include "base/bytes.h"

namespace keepgate::auth {

Result<TokenCredential> presented_token(const AuthInput& in) {
  if (in.options.jwt.token) return TokenCredential{TokenScheme::none, in.variables.variable(*in.options.jwt.token)};
  const http::HeaderLine* found = nullptr;
  for (const http::HeaderLine& line : in.head.headers) {
    if (line.field != http::Field::authorization) continue;
    if (found) return fail(ErrorKind::refused, Blame::client, "invalid_token", "two Authorization fields");
    found = &line;
  }
  return found ? token_credential(found->value) : Result<TokenCredential>();
}

AuthResult authenticate_by_jwt(const AuthInput& input) {
  const JwtOptions& jwt = input.options.jwt;
  if (!jwt.keys && jwt.issuers.empty()) {
    return AuthResult::is_unavailable("the key set of this location cannot be used");
  }
  const Result<TokenCredential> presented = presented_token(input);
  if (!presented) return AuthResult::is_bad(presented.error().detail);
  if (jwt.issuers.empty()) {
    return authenticate_jwt(presented->token, jwt, input.now, input.token_cache, input.share);
  }
  return authenticate_issued(presented->token, jwt, input.now, input.token_cache, input.share, input.answers);
}

std::string describe_jwt(const AuthOptions& options) {
  const std::size_t keys = options.jwt.keys ? options.jwt.keys->keys.size() : 0;
  std::string out = "a JWT (auth_jwt";
  for (const AcceptedIssuer& accepted : options.jwt.issuers) append(out, ", of ", accepted.issuer->options().issuer);
  if (keys > 0 || options.jwt.issuers.empty()) append(out, ", ", keys, keys == 1 ? " key" : " keys");
  return out + ")";
}

std::string challenge_for_jwt(const AuthInput& input, std::string_view error) {
  if (error == dpop_error || presented_scheme(input) == TokenScheme::dpop) return challenge_for_dpop(input, error);
  return challenge("Bearer", input.options.jwt.realm.evaluate(input.variables, input.arena), error);
}

}  // namespace keepgate::auth

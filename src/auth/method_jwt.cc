// auth_jwt: a bearer token (RFC 6750) or a token from a variable, verified as a JWT.
#include "auth/challenge.h"
#include "auth/introspection.h"
#include "auth/issued.h"
#include "auth/methods.h"
#include "auth/possession.h"
#include "base/bytes.h"

namespace keepgate::auth {

Result<TokenCredential> presented_token(const AuthInput& in) {
  // `auth_jwt off token=$variable` only lets claims be read: a token that is asked about is a bearer token.
  if (in.options.jwt.token && (in.options.jwt.enabled || !in.options.introspection))
    return TokenCredential{TokenScheme::none, in.variables.variable(*in.options.jwt.token)};
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
  const Result<TokenCredential> presented = presented_token(input);
  if (input.options.introspection && presented && !looks_like_jwt(presented->token)) {
    return authenticate_by_introspection(input);
  }
  if (!jwt.keys && !jwt.requested && jwt.issuers.empty()) {
    return AuthResult::is_unavailable("the key set of this location cannot be used");
  }
  if (!presented) return AuthResult::is_bad(presented.error().detail);
  if (jwt.issuers.empty() && jwt.requested) {
    return authenticate_requested(presented->token, jwt, input.now, input.token_cache, input.share, input.answers);
  }
  if (jwt.issuers.empty()) {
    return authenticate_jwt(presented->token, jwt, input.now, input.token_cache, input.share);
  }
  return authenticate_issued(presented->token, jwt, input.now, input.token_cache, input.share, input.answers);
}

std::string describe_jwt(const AuthOptions& options) {
  const std::size_t keys = options.jwt.keys ? options.jwt.keys->keys.size() : 0;
  std::string out = "a JWT (auth_jwt";
  for (const AcceptedIssuer& accepted : options.jwt.issuers) append(out, ", of ", accepted.issuer->options().issuer);
  if (options.jwt.requested) append(out, ", keys by request of ", options.jwt.requested->uris());
  if (keys > 0 || (options.jwt.issuers.empty() && !options.jwt.requested)) {
    append(out, ", ", keys, keys == 1 ? " key" : " keys");
  }
  out += ")";
  if (options.introspection) append(out, " or ", describe_introspection(options));
  return out;
}

std::string challenge_for_jwt(const AuthInput& input, std::string_view error) {
  if (error == dpop_error || presented_scheme(input) == TokenScheme::dpop) return challenge_for_dpop(input, error);
  return challenge("Bearer", token_realm(input), error);
}

}  // namespace keepgate::auth

// auth_introspect: a bearer token that the issuer is asked about (RFC 7662).
//
// Where auth_jwt is asked for as well, both read the same token, and its form decides: what has the form of a JWT is
// verified as one and never asked about, everything else is asked about. So no token is tried twice.
#include "auth/api_key.h"
#include "auth/introspection.h"
#include "auth/methods.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::auth {

AuthResult authenticate_by_introspection(const AuthInput& input) {
  const IntrospectionOptions& options = *input.options.introspection;
  const Result<TokenCredential> presented = presented_token(input);
  if (!presented) return AuthResult::is_bad(presented.error().detail);
  const std::string_view token = presented->token;
  if (token.empty()) return AuthResult::is_not_mine();
  if (token.size() > opaque_bytes_max) return AuthResult::is_bad(cat("longer than ", opaque_bytes_max, " bytes"));
  // A key of ours is nothing to show to others.
  if (looks_like_api_key(token)) return AuthResult::is_bad("an API key, where a token is asked for");
  const std::string key = cat(options.endpoint->number(), ' ', crypto::sha256_hex(token));
  const Answer* answer = input.answers ? input.answers->find(NeedKind::introspection, key) : nullptr;
  if (answer == nullptr) {
    return AuthResult::needs(
        {NeedKind::introspection, key, std::make_shared<IntrospectionNeed>(options.endpoint, token, options.cache_ms)});
  }
  const auto* said = dynamic_cast<const IntrospectionAnswer*>(answer->value.get());
  if (!answer->is_good || said == nullptr) {
    return AuthResult::is_unavailable(cat("nobody knows whether the token is good: ", answer->reason),
                                      "introspection_unavailable");
  }
  auto verified = verify_introspected(token, *said, options, input.now);
  if (!verified) return AuthResult::is_bad(std::move(verified.error().detail));
  return good_token(std::move(*verified));
}

std::string describe_introspection(const AuthOptions& options) {
  return cat("a token that ", options.introspection->endpoint->options().url, " calls active (auth_introspect)");
}

std::string_view token_realm(const AuthInput& input) {
  if (!input.options.jwt.enabled && input.options.introspection) return input.options.introspection->realm;
  return input.options.jwt.realm.evaluate(input.variables, input.arena);
}

}  // namespace keepgate::auth

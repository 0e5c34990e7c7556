// JWT as a client credential: NGINX Plus's auth_jwt (design: nginx-semantics §2), RFC 7519, 8725, 6750.
//
// authenticate_jwt is a function of its input: *not mine* (no credential), *good* (a VerifiedToken) or *bad*. It never
// sees the response. Bad is never retried as another method or as anonymous.
// Thread rule: pure but for the TokenCache it is handed, which belongs to one worker.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/issuer.h"
#include "auth/jwt_open.h"
#include "auth/principal.h"
#include "auth/requested_keys.h"
#include "auth/result.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/jws.h"
#include "route/template.h"

namespace keepgate::auth {

// Which claims name the requester and the customer: the first that is present wins (directive identity_claims).
struct IdentityClaims {
  std::vector<std::string> client = {"client_id", "azp"};
  std::vector<std::string> user = {"sub"};
  std::vector<std::string> roles = {"roles"};
  std::vector<std::string> scopes = {"scope", "scp"};
};

// auth_jwt_require and auth_require.
struct Requirement {
  std::vector<route::Template> values;  // All must be non-empty and not "0".
  std::uint16_t status = 401;           // What it answers else: 400 to 599.
};

struct JwtOptions {
  bool enabled = false;
  route::Template realm;
  TokenForm form = TokenForm::jws;
  // Absent: Authorization: Bearer. Without `enabled` (auth_jwt off token=…) claims may be read and are never verified.
  std::optional<route::VariableRef> token;
  std::shared_ptr<const crypto::KeySet>
      keys;  // All auth_jwt_key_file of the level, merged. nullptr with enabled: unusable → 503.
  std::vector<AcceptedIssuer> issuers;  // auth_jwt_issuer; tokens of none of them are left to `keys`. Signed ones only.
  std::shared_ptr<RequestedKeys> requested;  // auth_jwt_key_request: these keys then, which hold `keys` too.
  std::uint64_t verifier_id =
      0;  // Unique per (keys, requested, issuers, form, leeway, claims, reload): part of every cache key.
  std::int64_t leeway_s = 0;
  IdentityClaims claims;
  std::vector<Requirement> require;
};

struct VerifiedToken {
  std::string header_text, payload_text;
  std::string enclosed;   // A nested token: the signed token that was encrypted.
  std::string bound_key;  // cnf.jkt (RFC 9449 §6.1): thumbprint of the key that its holder has to prove; "": none.
  crypto::Json header, payload;
  Principal principal;
  std::int64_t not_before_s = 0;  // Valid while not_before_s ≤ now < expires_s, leeway included. 0: no bound.
  std::int64_t expires_s = 0;     // 0: the token has no exp (accepted as NGINX Plus does).
  std::string key_id;             // Of the key that verified it, else as the token names it; "": neither has one.
  std::string token_hash;         // short_hash of the token.
};

// The first 16 hex digits of its SHA-256: what logs may show of a token.
std::string short_hash(std::string_view token);

// Claims of a verified payload, as $jwt_claim_NAME shows them: strings raw, numbers and booleans as written, arrays of
// scalars comma-joined; "" if absent and for what has members: a name inside a document is no value of a claim.
std::string claim_text(const crypto::Json& payload, std::string_view name);
// The same for a value deeper down (auth_jwt_claim_set): names of members from the top, `separator` between them.
std::string claim_text_at(const crypto::Json& payload, std::string_view path, char separator);

// The layers of the token (auth/jwt_open.h), then the payload's form, exp, nbf, iat and the identity it names. Valid
// while nbf − leeway ≤ now < exp + leeway, to the millisecond. A transaction token (typ txntoken+jwt) is no credential
// of a client and refused. Used on a cache miss, by `keepgate token verify` and by explain.
Result<std::shared_ptr<const VerifiedToken>> verify_jwt(std::string_view token, const JwtOptions& options, Now now);
// The same with these keys instead of options.keys.
Result<std::shared_ptr<const VerifiedToken>> verify_jwt(std::string_view token, const JwtOptions& options,
                                                        const crypto::KeySet& keys, Now now);

// From a payload that is believed, an object, to the rest of a VerifiedToken: exp, nbf, iat and the confirmation (cnf),
// judged at `now`, and the identity. `token.payload` is set; verify_jwt and introspection both end here.
Result<void> read_claims(VerifiedToken& token, std::int64_t leeway_s, const IdentityClaims& claims, AuthMethod method,
                         Now now);

// Who a payload names. The first claim of each list that is present counts, and it has to be sound (auth/claims.h): a
// client, user, role or scope that is not refuses the token. `sub` is read as follows:
//   client claim present   sub "NAME" or "user:NAME"      customer NAME; none if sub names the client itself
//                          sub "client:OTHER"             customer "client:OTHER", which is no user's name
//   no client claim        sub "NAME" or "client:NAME"    client NAME: in plain setups sub names the caller of the API
//                          sub "user:NAME"                user NAME, client unknown
// Another claim that identity_claims makes the user's name always names a user, with or without a client.
Result<Principal> read_principal(const crypto::Json& payload, const IdentityClaims& claims, AuthMethod method);
// The same, and nobody when the claims are not sound.
Principal principal_of(const crypto::Json& payload, const IdentityClaims& claims, AuthMethod method);

// Verified tokens by content: bounded, keyed hash, full compare. May change cost, never the answer: an entry answers
// only for its verifier_id and only while its times hold.
class TokenCache {
 public:
  // Longer tokens are verified anew each time, so that a full cache stays small.
  static constexpr std::size_t token_bytes_max = 8 * 1024;

  // Rounded up to a multiple of eight; 0: remembers nothing.
  explicit TokenCache(std::size_t entries_max);
  TokenCache(TokenCache&&) noexcept;
  TokenCache& operator=(TokenCache&&) noexcept;
  ~TokenCache();
  // nullptr: not there (or no longer valid at `now`, and then dropped).
  std::shared_ptr<const VerifiedToken> find(std::string_view token, std::uint64_t verifier_id, Now now);
  void insert(std::string_view token, std::uint64_t verifier_id, std::shared_ptr<const VerifiedToken> value);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A result for a token that has held, whatever verified it.
AuthResult good_token(std::shared_ptr<const VerifiedToken> token);

// `token` is what the location's token source yields (see bearer_token), "" if there is none. A token that the cache
// does not know takes from `share`: above it the result is a need of NeedKind::turn.
AuthResult authenticate_jwt(std::string_view token, const JwtOptions& options, Now now, TokenCache* cache,
                            TurnShare* share = nullptr);

enum class TokenScheme : std::uint8_t { none = 0, bearer, dpop };

struct TokenCredential {
  TokenScheme scheme = TokenScheme::none;
  std::string_view token;
};

// RFC 6750 §2.1, RFC 9449 §7.1, RFC 9110 §11.4: the credential of one Authorization field, scheme compared without
// case. A comma list with a token in it or a character outside b68token: bad. No Authorization or another scheme: none.
Result<TokenCredential> token_credential(std::string_view authorization);
// The same for Bearer alone: of a DPoP field nothing.
Result<std::string_view> bearer_token(std::string_view authorization);

}  // namespace keepgate::auth

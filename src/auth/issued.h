// Tokens of issuers (auth_jwt_issuer): which issuer a token says it is from, whether that issuer's keys verify it, and
// whether it is an access token for us (RFC 9068 §4, RFC 8725 §3.8 to §3.12).
//
// The issuer that an unverified token names chooses the keys and nothing else. Thread rule: pure but for the memory it
// is handed; of an Issuer it reads what is published.
#pragma once

#include <string_view>

#include "auth/issuer.h"
#include "auth/jwt.h"
#include "auth/need.h"
#include "auth/result.h"

namespace keepgate::auth {

// The need of a token with a key that is not known (yet).
struct IssuerNeed final : NeedDetail {
  explicit IssuerNeed(std::shared_ptr<const Issuer> its_issuer) : issuer(std::move(its_issuer)) {}
  std::shared_ptr<const Issuer> issuer;
};

// `options.issuers` is not empty. A token of none of them is verified by options.keys, if there are any.
AuthResult authenticate_issued(std::string_view token, const JwtOptions& options, Now now, TokenCache* cache,
                               TurnShare* share, const Answers* answers);

// Behind the signature: iss, aud, exp, and that it is no other kind of token.
//
// typ says at+jwt (RFC 9068): an access token. typ says JWT, or nothing: taken, unless the issuer is configured with
// typ=at+jwt, and unless the claims show an ID token (at_hash, c_hash, s_hash; nonce without scopes), a refresh or ID
// token by their own word (token_use other than access, typ other than Bearer or DPoP) or a security event (events).
// Any other typ: another kind of token.
Result<void> check_issued(const VerifiedToken& token, const AcceptedIssuer& accepted);

}  // namespace keepgate::auth

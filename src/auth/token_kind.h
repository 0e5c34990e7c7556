// What kind of token claims are of, where no header says it (RFC 8725 §3.12): an access token, or something that only
// looks like one. For JWTs of issuers and for answers about opaque tokens alike. Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "crypto/json.h"

namespace keepgate::auth {

// Refuses what the claims show to be an ID token (at_hash, c_hash, s_hash; nonce without scopes), a refresh or ID token
// by its own word (token_use other than access, typ other than Bearer or DPoP) or a security event (events).
Result<void> check_claims_of_access_token(const crypto::Json& claims);

// Is the audience, one string or an array of strings, one of ours? RFC 7519 §4.1.3.
bool is_for_one_of(const crypto::Json* audience, const std::vector<std::string>& ours);

}  // namespace keepgate::auth

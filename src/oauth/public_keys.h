// What a JWK Set that others are believed by must not hold. Thread rule: pure function. Bounds: those of
// crypto::KeySet.
#pragma once

#include <string>
#include <string_view>

namespace keepgate::oauth {

// A shared secret (kty "oct") would let everybody who can read the set make what it verifies; a private key does so,
// too (RFC 7518 §3.2, RFC 7517 §9.2). Says what is wrong with the set; "" if nothing is.
std::string fault_of_public_keys(std::string_view jwks);

}  // namespace keepgate::oauth

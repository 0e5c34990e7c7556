// Proof of possession: a token that is bound to a key or a certificate is no credential without it (RFC 9449 §7, RFC
// 8705 §3).
//
// The token says whether it is bound; no directive is needed, and none turns it off. Thread rule: pure functions. What
// may be used once is handed back for the caller to remember.
#pragma once

#include <string>
#include <string_view>

#include "auth/methods.h"

namespace keepgate::auth {

inline constexpr std::string_view dpop_error = "invalid_dpop_proof";  // RFC 9449 §7.1

// Turns a good result into a bad one when a binding of its token does not hold. Certificate: another one or none was
// shown. Key: sent as Bearer, without proof, with two proofs, one for something else or by another key; or sent as DPoP
// without being bound.
void check_possession(const AuthInput& input, AuthResult& result);

// The scheme of the one Authorization field; none if there is no such field, or it is malformed.
TokenScheme presented_scheme(const AuthInput& input);

// DPoP realm="…", algs="…"[, error="…"]
std::string challenge_for_dpop(const AuthInput& input, std::string_view error);

}  // namespace keepgate::auth

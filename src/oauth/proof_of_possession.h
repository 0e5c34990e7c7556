// DPoP at the authorization server (RFC 9449 §4 to §8): the proof, its nonce, and that it passes once.
//
// Nonces are made of the time and a MAC, so nothing is stored for them; their key is new with each start. Thread rule:
// its worker's.
#pragma once

#include <string>
#include <string_view>

#include "oauth/context.h"

namespace keepgate::oauth {

inline constexpr std::int64_t nonce_lifetime_s = 300;

std::string make_nonce(std::string_view key, Now now);
bool is_good_nonce(std::string_view key, std::string_view nonce, Now now);

// The thumbprint of the key that was proven for this request; "" without a proof. `token`: the access token that goes
// with it at a protected resource, "" at the token endpoint. Failures: invalid_dpop_proof, use_dpop_nonce (§8), with
// the fields to answer them by.
Checked<std::string> proven_key(const Context& context, std::string_view token);
// "DPoP-Nonce: …\r\n" for answers to those who use proofs.
std::string nonce_field(const Context& context);

}  // namespace keepgate::oauth

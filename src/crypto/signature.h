// One signature operation of one key over OpenSSL, in JOSE's forms (RFC 7518 §3, RFC 8037 §3.1), which are also those
// of HTTP message signatures (RFC 9421 §3.3).
//
// Thread rule: pure functions over immutable keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/jwk.h"

namespace keepgate::crypto {

// True only for a valid signature of exactly the right length and form.
bool signature_is_valid(const Key& key, std::string_view message, std::string_view signature);

// Nothing if the key has no private half or OpenSSL fails.
std::optional<std::string> make_signature(const Key& key, std::string_view message);

// EdDSA has two curves, and RFC 9421 uses one of them.
bool is_ed25519(const Key& key);

}  // namespace keepgate::crypto

// Sealed text: what only the owner of a key can read or make, kept where others may see it (a database, a cookie).
//
// AES-256-GCM (NIST SP 800-38D) under a key of 32 bytes, with a random nonce of 96 bits. What it is for goes into
// `associated`: it is not kept, and opens nothing that was sealed for another purpose. A key may seal 2^32 times
// (§8.3).
// Thread rule: pure functions. Bounds: sealed_plaintext_bytes_max.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/secret.h"

namespace keepgate::crypto {

inline constexpr std::size_t seal_key_bytes = 32;
inline constexpr std::size_t sealed_plaintext_bytes_max = std::size_t{1} << 20;

// base64url of nonce, ciphertext and tag. INVARIANT: the key has seal_key_bytes, the plaintext at most the bound.
std::string seal(std::string_view key, std::string_view plaintext, std::string_view associated);

// Error{refused, client, "bad_seal"} for whatever was not sealed under this key for this purpose; it never says why.
Result<SecretText> open_sealed(std::string_view key, std::string_view sealed, std::string_view associated);

}  // namespace keepgate::crypto

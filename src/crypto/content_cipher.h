// The symmetric ciphers of JWE over OpenSSL: content encryption and key wrapping (RFC 7518 §4.4, §4.7, §5). Private to
// this room.
//
// Thread rule: pure functions; each thread has its own cipher context, which holds no key between calls. The caller
// has checked every length: a wrong one is a broken invariant here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/jwe_algorithms.h"

namespace keepgate::crypto {

struct Sealed {
  std::string ciphertext, tag;
};

// Nothing if the tag does not fit. With CBC the MAC is compared, in constant time, before anything is decrypted.
std::optional<std::string> open_content(const ContentRow& row, std::string_view key, std::string_view iv,
                                        std::string_view ciphertext, std::string_view tag, std::string_view associated);
Sealed seal_content(const ContentRow& row, std::string_view key, std::string_view iv, std::string_view plaintext,
                    std::string_view associated);

// AES-GCM under a key of 16, 24 or 32 bytes.
std::optional<std::string> open_gcm(std::string_view key, std::string_view iv, std::string_view ciphertext,
                                    std::string_view tag, std::string_view associated);
Sealed seal_gcm(std::string_view key, std::string_view iv, std::string_view plaintext, std::string_view associated);

// RFC 3394.
std::optional<std::string> unwrap_key(std::string_view wrapping_key, std::string_view wrapped);
std::string wrap_key(std::string_view wrapping_key, std::string_view key);

}  // namespace keepgate::crypto

// Digests, keyed hashes and constant-time comparison. Algorithms are fetched once per process, never per operation.
// Thread rule: callable from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace keepgate::crypto {

std::array<unsigned char, 32> sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
// RFC 2104. Both sides of a comparison of such hashes belong to equal_constant_time.
std::array<unsigned char, 32> hmac_sha256(std::string_view key, std::string_view bytes);
// For the handshake of WebSocket (RFC 6455 §4.2.2) and nothing else: SHA-1 protects nobody.
std::string sha1_base64(std::string_view bytes);
// Equal length and equal content, in time that depends on the length only.
bool equal_constant_time(std::string_view a, std::string_view b);

// SipHash-1-3 under a 128-bit key (Aumasson, Bernstein 2012), for tables whose keys an attacker chooses.
struct SipKey {
  std::uint64_t k0 = 0, k1 = 0;
  static SipKey random();
};
std::uint64_t siphash13(const SipKey& key, std::string_view bytes);

}  // namespace keepgate::crypto

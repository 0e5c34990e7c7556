// What each algorithm of JWE is made of (RFC 7518 §4.1, §5.1): one row each. Private to this room. Pure data.
#pragma once

#include <cstddef>
#include <string_view>

#include "crypto/encryption_key.h"
#include "crypto/openssl.h"

namespace keepgate::crypto {

struct ContentRow {
  ContentEncryption content = ContentEncryption::none;
  std::string_view name;
  std::size_t key_bytes = 0;  // Of the whole content key; with CBC half of it is the key of the MAC.
  std::size_t iv_bytes = 0;
  std::size_t tag_bytes = 0;
  Hash mac = Hash::none;  // none: GCM.
};
const ContentRow& row_of(ContentEncryption content);

enum class Wrapping : std::uint8_t { none = 0, rsa_oaep, aes_kw, aes_gcm_kw, direct };
struct ManagementRow {
  KeyManagement management = KeyManagement::none;
  std::string_view name;
  Wrapping wrapping = Wrapping::none;
  std::size_t key_bytes = 0;  // Of a wrapping secret.
  Hash oaep = Hash::none;
};
const ManagementRow& row_of(KeyManagement management);

inline constexpr std::size_t gcm_iv_bytes = 12, gcm_tag_bytes = 16;
inline constexpr std::size_t key_wrap_overhead_bytes = 8;  // RFC 3394.

}  // namespace keepgate::crypto

// OpenSSL handles that free themselves, and the algorithms fetched once per process. Private to this room.
//
// Thread rule: fetched algorithms are shared by all threads and live until the process ends; scratch contexts belong to
// the calling thread and hold nothing between calls that anybody may rely on.
#pragma once

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace keepgate::crypto {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using PkeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using MacContextPtr = std::unique_ptr<EVP_MAC_CTX, Freer<EVP_MAC_CTX_free>>;
using BigNumberPtr = std::unique_ptr<BIGNUM, Freer<BN_clear_free>>;

// A failed operation leaves entries in the thread's error queue that TLS code on the same thread would mistake for its
// own. Each function that may fail on outside input holds one of these.
struct ErrorQueueGuard {
  ErrorQueueGuard() = default;
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
  ~ErrorQueueGuard() {
    if (ERR_peek_error() != 0) ERR_clear_error();
  }
};

// Bytes that are wiped when they go out of scope.
struct SecretBytes {
  std::string bytes;
  SecretBytes() = default;
  explicit SecretBytes(std::string value) : bytes(std::move(value)) {}
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

inline const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* as_bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// SHA-1 for RSA-OAEP alone, where nobody needs it to resist collisions (RFC 7518 §8.3 names it all the same).
enum class Hash : std::uint8_t { none = 0, sha256, sha384, sha512, sha1 };

const EVP_MD* fetched(Hash hash);
const char* openssl_name(Hash hash);
std::size_t digest_bytes(Hash hash);

inline constexpr std::size_t digest_bytes_max = 64;

// Writes digest_bytes(hash) bytes to `out`. Both abort only when OpenSSL cannot hash at all.
void digest(Hash hash, std::string_view bytes, unsigned char* out);
void hmac(Hash hash, std::string_view key, std::string_view bytes, unsigned char* out);

}  // namespace keepgate::crypto

#include "crypto/signature.h"

#include <algorithm>
#include <span>

#include "crypto/algorithms.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

namespace keepgate::crypto {

namespace {

constexpr std::size_t coordinate_bytes_max = 66;
constexpr std::size_t der_bytes_max = 3 + 2 * (2 + 1 + coordinate_bytes_max);

struct Digest {
  unsigned char bytes[digest_bytes_max];
  std::size_t size;

  Digest(Hash hash, std::string_view message) : size(digest_bytes(hash)) { digest(hash, message, bytes); }
};

// Wiped of the key when the operation is over, so that no thread keeps a key alive.
struct DigestScope {
  EVP_MD_CTX* context;
  DigestScope() : context(thread_context()) {}
  DigestScope(const DigestScope&) = delete;
  DigestScope& operator=(const DigestScope&) = delete;
  ~DigestScope() { EVP_MD_CTX_reset(context); }

 private:
  static EVP_MD_CTX* thread_context() {
    thread_local const DigestContextPtr own(EVP_MD_CTX_new());
    KG_ASSERT(own != nullptr);
    return own.get();
  }
};

bool verify_digest(const Key& key, const Digest& message, const unsigned char* signature, std::size_t size) {
  const PkeyContextPtr context(EVP_PKEY_CTX_dup(key.verify_template()));
  return context && EVP_PKEY_verify(context.get(), signature, size, message.bytes, message.size) == 1;
}

std::optional<std::string> sign_digest(const Key& key, const Digest& message) {
  const PkeyContextPtr context(EVP_PKEY_CTX_dup(key.sign_template()));
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key.native())), '\0');
  std::size_t size = out.size();
  if (!context || EVP_PKEY_sign(context.get(), as_bytes(out), &size, message.bytes, message.size) != 1) {
    return std::nullopt;
  }
  out.resize(size);
  return out;
}

// RFC 7518 §3.4 with the check that CVE-2022-21449 lacked: 1 ≤ value ≤ order − 1. Equal lengths compare as numbers.
bool in_range(std::string_view value, std::string_view order) {
  return value.find_first_not_of('\0') != std::string_view::npos && value < order;
}

unsigned char* put_der_integer(unsigned char* to, std::string_view value) {
  value.remove_prefix(std::min(value.find_first_not_of('\0'), value.size() - 1));
  const bool high_bit = (static_cast<unsigned char>(value.front()) & 0x80) != 0;
  *to++ = 0x02;
  *to++ = static_cast<unsigned char>(value.size() + (high_bit ? 1 : 0));
  if (high_bit) *to++ = 0;
  return std::copy(value.begin(), value.end(), to);
}

// SEQUENCE { INTEGER r, INTEGER s } as OpenSSL wants it, in one fixed buffer.
std::size_t put_der(unsigned char (&out)[der_bytes_max], std::string_view r, std::string_view s) {
  unsigned char body[der_bytes_max];
  const unsigned char* const body_end = put_der_integer(put_der_integer(body, r), s);
  const auto size = static_cast<std::size_t>(body_end - body);
  unsigned char* to = out;
  *to++ = 0x30;
  if (size >= 0x80) *to++ = 0x81;
  *to++ = static_cast<unsigned char>(size);
  to = std::copy(static_cast<const unsigned char*>(body), body_end, to);
  return static_cast<std::size_t>(to - out);
}

bool verify_ecdsa(const Key& key, const Digest& message, std::string_view signature) {
  const std::string_view order = key.curve_order();
  if (order.empty() || signature.size() != 2 * order.size()) return false;
  const std::string_view r = signature.substr(0, order.size());
  const std::string_view s = signature.substr(order.size());
  if (!in_range(r, order) || !in_range(s, order)) return false;
  unsigned char der[der_bytes_max];
  return verify_digest(key, message, der, put_der(der, r, s));
}

// INTEGER at the head of `der`, written with leading zeros into all of `out`; false: none that fits stands there.
bool take_der_integer(std::string_view& der, std::span<char> out) {
  if (der.size() < 2 || der[0] != 0x02 || der.size() - 2 < static_cast<unsigned char>(der[1])) return false;
  std::string_view value = der.substr(2, static_cast<unsigned char>(der[1]));
  der.remove_prefix(2 + value.size());
  while (value.starts_with('\0')) value.remove_prefix(1);
  if (value.size() > out.size()) return false;
  std::ranges::fill(out, '\0');
  std::ranges::copy(value, out.end() - static_cast<std::ptrdiff_t>(value.size()));
  return true;
}

// RFC 7518 §3.4: r and s at their full length, one behind the other. OpenSSL gives a SEQUENCE of both.
std::optional<std::string> sign_ecdsa(const Key& key, const Digest& message) {
  const std::optional<std::string> signature = sign_digest(key, message);
  if (!signature || signature->size() < 3) return std::nullopt;
  const bool has_long_length = static_cast<unsigned char>((*signature)[1]) == 0x81;  // P-521.
  std::string_view der = std::string_view(*signature).substr(has_long_length ? 3 : 2);
  const std::size_t bytes = key.curve_order().size();
  std::string out(2 * bytes, '\0');
  const std::span<char> both(out);
  if (!take_der_integer(der, both.first(bytes)) || !take_der_integer(der, both.last(bytes)) || !der.empty()) {
    return std::nullopt;
  }
  return out;
}

bool verify_rsa(const Key& key, const Digest& message, std::string_view signature) {
  // RFC 8017 §8.1.2, §8.2.2 step 1: exactly as long as the modulus.
  if (signature.size() != static_cast<std::size_t>(EVP_PKEY_get_size(key.native()))) return false;
  return verify_digest(key, message, as_bytes(signature), signature.size());
}

bool verify_eddsa(const Key& key, std::string_view message, std::string_view signature) {
  if (signature.size() != static_cast<std::size_t>(EVP_PKEY_get_size(key.native()))) return false;
  const DigestScope scope;
  return EVP_DigestVerifyInit_ex(scope.context, nullptr, nullptr, nullptr, nullptr, key.native(), nullptr) == 1 &&
         EVP_DigestVerify(scope.context, as_bytes(signature), signature.size(), as_bytes(message), message.size()) == 1;
}

std::optional<std::string> sign_eddsa(const Key& key, std::string_view message) {
  const DigestScope scope;
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key.native())), '\0');
  std::size_t size = out.size();
  if (EVP_DigestSignInit_ex(scope.context, nullptr, nullptr, nullptr, nullptr, key.native(), nullptr) != 1 ||
      EVP_DigestSign(scope.context, as_bytes(out), &size, as_bytes(message), message.size()) != 1) {
    return std::nullopt;
  }
  out.resize(size);
  return out;
}

std::string make_mac(const Key& key, Hash hash, std::string_view message) {
  std::string out(digest_bytes(hash), '\0');
  hmac(hash, key.secret(), message, as_bytes(out));
  return out;
}

}  // namespace

bool signature_is_valid(const Key& key, std::string_view message, std::string_view signature) {
  const ErrorQueueGuard guard;
  const AlgorithmRow& row = row_of(key.algorithm());
  switch (row.family) {
    case Family::rsa_pkcs1:
    case Family::rsa_pss:
      return verify_rsa(key, {row.hash, message}, signature);
    case Family::ecdsa:
      return verify_ecdsa(key, {row.hash, message}, signature);
    case Family::eddsa:
      return verify_eddsa(key, message, signature);
    case Family::hmac:
      return equal_constant_time(make_mac(key, row.hash, message), signature);
    case Family::none:
      break;
  }
  return false;
}

std::optional<std::string> make_signature(const Key& key, std::string_view message) {
  if (!key.is_private()) return std::nullopt;
  const ErrorQueueGuard guard;
  const AlgorithmRow& row = row_of(key.algorithm());
  switch (row.family) {
    case Family::rsa_pkcs1:
    case Family::rsa_pss:
      return sign_digest(key, {row.hash, message});
    case Family::ecdsa:
      return sign_ecdsa(key, {row.hash, message});
    case Family::eddsa:
      return sign_eddsa(key, message);
    case Family::hmac:
      return make_mac(key, row.hash, message);
    case Family::none:
      break;
  }
  return std::nullopt;
}

bool is_ed25519(const Key& key) {
  return key.algorithm() == Algorithm::eddsa && EVP_PKEY_is_a(key.native(), "ED25519") == 1;
}

}  // namespace keepgate::crypto

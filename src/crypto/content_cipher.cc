#include "crypto/content_cipher.h"

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/digest.h"

namespace keepgate::crypto {

namespace {

using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, Freer<EVP_CIPHER_CTX_free>>;

enum class Mode : std::uint8_t { gcm = 0, cbc, wrap };
constexpr std::size_t mode_count = 3, size_count = 3;
constexpr const char* cipher_names[mode_count][size_count] = {{"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"},
                                                              {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"},
                                                              {"AES-128-WRAP", "AES-192-WRAP", "AES-256-WRAP"}};

// Fetched on first use and kept until the process ends.
struct Ciphers {
  EVP_CIPHER* ciphers[mode_count][size_count] = {};
  Ciphers() {
    for (std::size_t mode = 0; mode < mode_count; ++mode) {
      for (std::size_t size = 0; size < size_count; ++size) {
        ciphers[mode][size] = EVP_CIPHER_fetch(nullptr, cipher_names[mode][size], nullptr);
        KG_ASSERT(ciphers[mode][size] != nullptr);
      }
    }
  }
};

const EVP_CIPHER* cipher_for(Mode mode, std::size_t key_bytes) {
  static const Ciphers* const all = new Ciphers;
  KG_ASSERT(key_bytes == 16 || key_bytes == 24 || key_bytes == 32);
  return all->ciphers[static_cast<std::size_t>(mode)][key_bytes / 8 - 2];
}

// The thread's context, wiped of the key when the operation is over.
struct CipherScope {
  EVP_CIPHER_CTX* context;
  CipherScope() : context(thread_context()) {}
  CipherScope(const CipherScope&) = delete;
  CipherScope& operator=(const CipherScope&) = delete;
  ~CipherScope() { EVP_CIPHER_CTX_reset(context); }

 private:
  static EVP_CIPHER_CTX* thread_context() {
    thread_local const CipherContextPtr own(EVP_CIPHER_CTX_new());
    KG_ASSERT(own != nullptr);
    return own.get();
  }
};

int length(std::string_view bytes) { return static_cast<int>(bytes.size()); }

// RFC 7518 §5.2.2.1: HMAC over the associated data, IV, ciphertext and the length of the first in bits; its left half.
std::string cbc_tag(const ContentRow& row, std::string_view mac_key, std::string_view iv, std::string_view ciphertext,
                    std::string_view associated) {
  std::string text = cat(associated, iv, ciphertext);
  const std::uint64_t bits = std::uint64_t{associated.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) text.push_back(static_cast<char>(bits >> shift & 0xff));
  unsigned char mac[digest_bytes_max];
  hmac(row.mac, mac_key, text, mac);
  return {reinterpret_cast<const char*>(mac), row.tag_bytes};
}

// One whole CBC operation. Nothing if the padding is wrong.
std::optional<std::string> run_cbc(bool encrypts, std::string_view key, std::string_view iv, std::string_view in) {
  const CipherScope scope;
  constexpr std::size_t block_bytes = 16;
  std::string out(in.size() + block_bytes, '\0');
  int most = 0, rest = 0;
  KG_ASSERT(EVP_CipherInit_ex2(scope.context, cipher_for(Mode::cbc, key.size()), as_bytes(key), as_bytes(iv),
                               encrypts ? 1 : 0, nullptr) == 1 &&
            EVP_CipherUpdate(scope.context, as_bytes(out), &most, as_bytes(in), length(in)) == 1);
  if (EVP_CipherFinal_ex(scope.context, as_bytes(out) + most, &rest) != 1) {
    OPENSSL_cleanse(out.data(), out.size());
    return std::nullopt;
  }
  out.resize(static_cast<std::size_t>(most) + static_cast<std::size_t>(rest));
  return out;
}

}  // namespace

std::optional<std::string> open_gcm(std::string_view key, std::string_view iv, std::string_view ciphertext,
                                    std::string_view tag, std::string_view associated) {
  KG_ASSERT(iv.size() == gcm_iv_bytes && tag.size() == gcm_tag_bytes);
  const ErrorQueueGuard guard;
  const CipherScope scope;
  std::string out(ciphertext.size(), '\0'), expected(tag);
  int written = 0;
  KG_ASSERT(EVP_DecryptInit_ex2(scope.context, cipher_for(Mode::gcm, key.size()), as_bytes(key), as_bytes(iv),
                                nullptr) == 1 &&
            EVP_DecryptUpdate(scope.context, nullptr, &written, as_bytes(associated), length(associated)) == 1 &&
            EVP_DecryptUpdate(scope.context, as_bytes(out), &written, as_bytes(ciphertext), length(ciphertext)) == 1 &&
            EVP_CIPHER_CTX_ctrl(scope.context, EVP_CTRL_AEAD_SET_TAG, gcm_tag_bytes, expected.data()) == 1);
  unsigned char nothing[16];
  if (EVP_DecryptFinal_ex(scope.context, nothing, &written) != 1) {
    OPENSSL_cleanse(out.data(), out.size());  // Not authenticated: nobody may see it.
    return std::nullopt;
  }
  return out;
}

Sealed seal_gcm(std::string_view key, std::string_view iv, std::string_view plaintext, std::string_view associated) {
  KG_ASSERT(iv.size() == gcm_iv_bytes);
  const CipherScope scope;
  Sealed sealed{std::string(plaintext.size(), '\0'), std::string(gcm_tag_bytes, '\0')};
  int written = 0;
  unsigned char nothing[16];
  KG_ASSERT(EVP_EncryptInit_ex2(scope.context, cipher_for(Mode::gcm, key.size()), as_bytes(key), as_bytes(iv),
                                nullptr) == 1 &&
            EVP_EncryptUpdate(scope.context, nullptr, &written, as_bytes(associated), length(associated)) == 1 &&
            EVP_EncryptUpdate(scope.context, as_bytes(sealed.ciphertext), &written, as_bytes(plaintext),
                              length(plaintext)) == 1 &&
            EVP_EncryptFinal_ex(scope.context, nothing, &written) == 1 &&
            EVP_CIPHER_CTX_ctrl(scope.context, EVP_CTRL_AEAD_GET_TAG, gcm_tag_bytes, sealed.tag.data()) == 1);
  return sealed;
}

std::optional<std::string> open_content(const ContentRow& row, std::string_view key, std::string_view iv,
                                        std::string_view ciphertext, std::string_view tag,
                                        std::string_view associated) {
  KG_ASSERT(key.size() == row.key_bytes && iv.size() == row.iv_bytes && tag.size() == row.tag_bytes);
  if (row.mac == Hash::none) return open_gcm(key, iv, ciphertext, tag, associated);
  const ErrorQueueGuard guard;
  const std::string_view mac_key = key.substr(0, key.size() / 2), cipher_key = key.substr(key.size() / 2);
  // RFC 7518 §5.2.2.2: the MAC first, so that nobody learns anything from padding.
  if (!equal_constant_time(cbc_tag(row, mac_key, iv, ciphertext, associated), tag)) return std::nullopt;
  return run_cbc(false, cipher_key, iv, ciphertext);
}

Sealed seal_content(const ContentRow& row, std::string_view key, std::string_view iv, std::string_view plaintext,
                    std::string_view associated) {
  KG_ASSERT(key.size() == row.key_bytes && iv.size() == row.iv_bytes);
  if (row.mac == Hash::none) return seal_gcm(key, iv, plaintext, associated);
  std::optional<std::string> ciphertext = run_cbc(true, key.substr(key.size() / 2), iv, plaintext);
  KG_ASSERT(ciphertext.has_value());
  std::string tag = cbc_tag(row, key.substr(0, key.size() / 2), iv, *ciphertext, associated);
  return {std::move(*ciphertext), std::move(tag)};
}

std::optional<std::string> unwrap_key(std::string_view wrapping_key, std::string_view wrapped) {
  const ErrorQueueGuard guard;
  const CipherScope scope;
  std::string out(wrapped.size(), '\0');
  int written = 0;
  EVP_CIPHER_CTX_set_flags(scope.context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  KG_ASSERT(EVP_DecryptInit_ex2(scope.context, cipher_for(Mode::wrap, wrapping_key.size()), as_bytes(wrapping_key),
                                nullptr, nullptr) == 1);
  const bool good =
      EVP_DecryptUpdate(scope.context, as_bytes(out), &written, as_bytes(wrapped), length(wrapped)) == 1 && written > 0;
  if (!good) {
    OPENSSL_cleanse(out.data(), out.size());
    return std::nullopt;
  }
  out.resize(static_cast<std::size_t>(written));
  return out;
}

std::string wrap_key(std::string_view wrapping_key, std::string_view key) {
  const CipherScope scope;
  std::string out(key.size() + key_wrap_overhead_bytes, '\0');
  int written = 0;
  EVP_CIPHER_CTX_set_flags(scope.context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  KG_ASSERT(EVP_EncryptInit_ex2(scope.context, cipher_for(Mode::wrap, wrapping_key.size()), as_bytes(wrapping_key),
                                nullptr, nullptr) == 1 &&
            EVP_EncryptUpdate(scope.context, as_bytes(out), &written, as_bytes(key), length(key)) == 1 &&
            static_cast<std::size_t>(written) == out.size());
  return out;
}

}  // namespace keepgate::crypto

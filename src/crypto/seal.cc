#include "crypto/seal.h"

#include <array>
#include <optional>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/content_cipher.h"
#include "crypto/jwe_algorithms.h"
#include "crypto/random.h"

namespace keepgate::crypto {

namespace {

constexpr std::size_t sealed_extra_bytes = gcm_iv_bytes + gcm_tag_bytes;
constexpr std::size_t sealed_text_max = (sealed_plaintext_bytes_max + sealed_extra_bytes) * 4 / 3 + 4;

std::unexpected<Error> bad_seal() {
  return fail(ErrorKind::refused, Blame::client, "bad_seal", "it was not sealed under this key for this purpose");
}

}  // namespace

std::string seal(std::string_view key, std::string_view plaintext, std::string_view associated) {
  KG_ASSERT(key.size() == seal_key_bytes && plaintext.size() <= sealed_plaintext_bytes_max);
  std::array<unsigned char, gcm_iv_bytes> nonce;
  random_bytes(nonce);
  const std::string_view iv(reinterpret_cast<const char*>(nonce.data()), nonce.size());
  const Sealed parts = seal_gcm(key, iv, plaintext, associated);
  return base64url_encode(cat(iv, parts.ciphertext, parts.tag));
}

Result<SecretText> open_sealed(std::string_view key, std::string_view sealed, std::string_view associated) {
  KG_ASSERT(key.size() == seal_key_bytes);
  if (sealed.size() > sealed_text_max) return bad_seal();
  const std::optional<std::string> bytes = base64url_decode(sealed);
  if (!bytes || bytes->size() < sealed_extra_bytes) return bad_seal();
  const std::string_view all = *bytes;
  std::optional<std::string> plaintext =
      open_gcm(key, all.substr(0, gcm_iv_bytes), all.substr(gcm_iv_bytes, all.size() - sealed_extra_bytes),
               all.substr(all.size() - gcm_tag_bytes), associated);
  if (!plaintext) return bad_seal();
  SecretText out(*plaintext);
  wipe(plaintext->data(), plaintext->size());
  return out;
}

}  // namespace keepgate::crypto

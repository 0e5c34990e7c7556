// The secrets of clients: 256 random bits, so that one fast hash is enough (a slow one would only cap throughput).
#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "oauth/client.h"

namespace keepgate::oauth {

namespace {
constexpr std::string_view secret_prefix = "kgs_", hash_prefix = "sha256:";
constexpr std::size_t checksum_length = 6;
}  // namespace

std::string make_client_secret() {
  std::array<unsigned char, 32> bytes{};
  crypto::random_bytes(bytes);
  std::string out = cat(secret_prefix, crypto::base64url_encode({reinterpret_cast<const char*>(bytes.data()), 32}));
  const SecretHash sum = crypto::sha256(out);
  out += crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()}).substr(0, checksum_length);
  return out;
}

SecretHash hash_of_secret(std::string_view secret) { return crypto::sha256(secret); }

std::string hash_text(const SecretHash& hash) {
  return cat(hash_prefix, to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()}));
}

std::optional<SecretHash> read_hash_text(std::string_view text) {
  SecretHash out{};
  if (!text.starts_with(hash_prefix) || text.size() != hash_prefix.size() + 2 * out.size()) return std::nullopt;
  text.remove_prefix(hash_prefix.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return out;
}

}  // namespace keepgate::oauth

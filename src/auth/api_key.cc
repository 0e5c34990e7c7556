#include "auth/api_key.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/random.h"

namespace keepgate::auth {

namespace {

constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static_assert(alphabet.size() == 62);

constexpr std::size_t id_at = api_key_prefix.size();
constexpr std::size_t checksum_at = api_key_length - api_key_checksum_length;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0xEDB88320U : 0U);
    table[byte] = value;
  }
  return table;
}
constexpr auto crc_table = make_crc_table();

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t value = 0xFFFFFFFFU;
  for (const char c : bytes) value = value >> 8 ^ crc_table[(value ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~value;
}

std::array<char, api_key_checksum_length> checksum(std::string_view bytes) {
  std::array<char, api_key_checksum_length> out;
  std::uint32_t value = crc32(bytes);
  for (std::size_t i = out.size(); i-- > 0; value /= static_cast<std::uint32_t>(alphabet.size()))
    out[i] = alphabet[value % alphabet.size()];
  return out;
}

bool is_base62(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_digit(c) || is_alpha(c); });
}

// Evenly: a byte that would favour the first characters is drawn again.
void append_random(std::string& out, std::size_t count) {
  constexpr unsigned even_below = 256 / alphabet.size() * alphabet.size();
  while (count > 0) {
    std::array<unsigned char, 64> bytes;
    crypto::random_bytes(bytes);
    for (const unsigned char byte : bytes) {
      if (byte >= even_below) continue;
      out.push_back(alphabet[byte % alphabet.size()]);
      if (--count == 0) return;
    }
  }
}

}  // namespace

bool is_api_key_id(std::string_view text) { return text.size() == api_key_id_length && is_base62(text); }

std::optional<std::string_view> parse_api_key(std::string_view text) {
  if (text.size() != api_key_length || !text.starts_with(api_key_prefix)) return std::nullopt;
  const std::string_view id = text.substr(id_at, api_key_id_length);
  const std::string_view rest = text.substr(id_at + api_key_id_length);
  if (rest[0] != '_' || !is_base62(id) || !is_base62(rest.substr(1))) return std::nullopt;
  const auto sum = checksum(text.substr(0, checksum_at));
  if (text.substr(checksum_at) != std::string_view(sum.data(), sum.size())) return std::nullopt;
  return id;
}

std::string make_api_key() {
  std::string out;
  out.reserve(api_key_length);
  out += api_key_prefix;
  append_random(out, api_key_id_length);
  out.push_back('_');
  append_random(out, api_key_secret_length);
  const auto sum = checksum(out);
  out.append(sum.data(), sum.size());
  return out;
}

ApiKeyHash hash_api_key(std::string_view secret, std::string_view key) { return crypto::hmac_sha256(secret, key); }

bool looks_like_api_key(std::string_view text) {
  return text.size() > api_key_prefix.size() + api_key_id_length + 1 && text.starts_with(api_key_prefix) &&
         is_api_key_id(text.substr(id_at, api_key_id_length)) && text[id_at + api_key_id_length] == '_';
}

}  // namespace keepgate::auth

#include "crypto/base32.h"

#include <cstdint>

#include "base/bytes.h"

namespace keepgate::crypto {

namespace {

constexpr std::string_view base32_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr unsigned bits_a_character = 5, bits_a_byte = 8;

int base32_value(char c) {
  const char lower = to_lower(c);
  if (lower >= 'a' && lower <= 'z') return lower - 'a';
  return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

// Characters of the last group of eight that may be padding, by how many are none (RFC 4648 §6).
bool is_whole_padding(std::size_t characters, std::size_t padding) {
  return padding == 0 || (characters + padding) % 8 == 0;
}

}  // namespace

SecretText base32_encode(std::string_view bytes) {
  SecretText out((bytes.size() * bits_a_byte + bits_a_character - 1) / bits_a_character);
  char* at = out.data();
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char byte : bytes) {
    bits = bits << bits_a_byte | static_cast<unsigned char>(byte);
    for (count += bits_a_byte; count >= bits_a_character;) {
      count -= bits_a_character;
      *at++ = base32_alphabet[bits >> count & 0x1f];
    }
  }
  if (count > 0) *at++ = base32_alphabet[bits << (bits_a_character - count) & 0x1f];
  return out;
}

std::optional<SecretText> base32_decode_secret(std::string_view text) {
  std::size_t padding = 0;
  for (; text.ends_with('=') && padding < 6; ++padding) text.remove_suffix(1);
  SecretText out(text.size() * bits_a_character / bits_a_byte + 1);
  std::size_t written = 0, characters = 0;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    if (c == ' ') continue;
    const int value = base32_value(c);
    if (value < 0) return std::nullopt;
    ++characters;
    bits = bits << bits_a_character | static_cast<std::uint32_t>(value);
    count += bits_a_character;
    if (count < bits_a_byte) continue;
    count -= bits_a_byte;
    out.data()[written++] = static_cast<char>(bits >> count & 0xff);
  }
  if (!is_whole_padding(characters, padding) || count >= bits_a_character) return std::nullopt;
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;
  out.shorten(written);
  return out;
}

}  // namespace keepgate::crypto

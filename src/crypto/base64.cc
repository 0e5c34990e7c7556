#include "crypto/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "crypto/base64url.h"

namespace keepgate::crypto {

namespace {

void replace_each(std::string& text, char from_a, char to_a, char from_b, char to_b) {
  std::ranges::replace(text, from_a, to_a);
  std::ranges::replace(text, from_b, to_b);
}

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::uint8_t no_value = 0xff;

constexpr std::array<std::uint8_t, 256> base64_values = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(no_value);
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i) {
    out[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}();

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out = base64url_encode(bytes);
  replace_each(out, '-', '+', '_', '/');
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0 || text.find_first_of("-_") != text.npos) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string url(text);
  replace_each(url, '+', '-', '/', '_');
  return base64url_decode(url);
}

std::optional<SecretText> base64_decode_secret(std::string_view text) {
  constexpr std::size_t group = 4;
  const std::size_t padded = text.size();
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  if (padded != text.size() && padded % group != 0) return std::nullopt;
  if (text.size() % group == 1) return std::nullopt;

  SecretText out(text.size() * 3 / group);
  std::size_t written = 0;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::uint8_t value = base64_values[static_cast<unsigned char>(c)];
    if (value == no_value) return std::nullopt;
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.data()[written++] = static_cast<char>(bits >> count & 0xff);
  }
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace keepgate::crypto

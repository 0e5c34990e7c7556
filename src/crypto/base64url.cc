#include "crypto/base64url.h"

#include <array>
#include <cstdint>

namespace keepgate::crypto {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint32_t invalid = 0x8000'0000;

// Four tables, one per position in a group of four, hold the six bits already shifted into place: a group costs four
// loads and three ors, and `invalid` survives the or.
using Table = std::array<std::uint32_t, 256>;
constexpr Table table_shifted(unsigned shift) {
  Table table{};
  table.fill(invalid);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint32_t>(i) << shift;
  }
  return table;
}
constexpr Table first = table_shifted(18), second = table_shifted(12), third = table_shifted(6),
                fourth = table_shifted(0);

constexpr std::size_t index(char c) { return static_cast<unsigned char>(c); }
constexpr char byte_at(std::uint32_t group, unsigned shift) { return static_cast<char>(group >> shift & 0xff); }

}  // namespace

void append_base64url(std::string& out, std::string_view bytes) {
  const std::size_t before = out.size();
  out.resize(before + (bytes.size() * 4 + 2) / 3);
  char* to = out.data() + before;
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[i])}; };
  const auto letter = [](std::uint32_t group, unsigned shift) { return alphabet[group >> shift & 63]; };
  const std::size_t rest = bytes.size() % 3, whole = bytes.size() - rest;
  for (std::size_t at = 0; at < whole; at += 3, to += 4) {
    const std::uint32_t group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    to[0] = letter(group, 18);
    to[1] = letter(group, 12);
    to[2] = letter(group, 6);
    to[3] = letter(group, 0);
  }
  if (rest == 0) return;
  const std::uint32_t group = byte(whole) << 16 | (rest == 2 ? byte(whole + 1) << 8 : 0);
  to[0] = letter(group, 18);
  to[1] = letter(group, 12);
  if (rest == 2) to[2] = letter(group, 6);
}

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  append_base64url(out, bytes);
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  const std::size_t rest = text.size() % 4;
  if (rest == 1) return std::nullopt;
  std::string out;
  out.resize(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1));
  char* to = out.data();
  std::uint32_t seen = 0;
  const std::size_t whole = text.size() - rest;
  for (std::size_t i = 0; i < whole; i += 4, to += 3) {
    const std::uint32_t group =
        first[index(text[i])] | second[index(text[i + 1])] | third[index(text[i + 2])] | fourth[index(text[i + 3])];
    seen |= group;
    to[0] = byte_at(group, 16);
    to[1] = byte_at(group, 8);
    to[2] = byte_at(group, 0);
  }
  if (rest != 0) {
    std::uint32_t group = first[index(text[whole])] | second[index(text[whole + 1])];
    if (rest == 3) group |= third[index(text[whole + 2])];
    seen |= group;
    // RFC 4648 §3.5: bits that no byte uses must be zero, or one byte string would have several spellings.
    if ((group & (rest == 2 ? 0xffffU : 0xffU)) != 0) return std::nullopt;
    to[0] = byte_at(group, 16);
    if (rest == 3) to[1] = byte_at(group, 8);
  }
  if ((seen & invalid) != 0) return std::nullopt;
  return out;
}

}  // namespace keepgate::crypto

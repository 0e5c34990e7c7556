// Small, allocation-free helpers over bytes and ASCII text.
//
// Thread rule: pure functions. All of them treat text as bytes: no locale, no UTF-8 knowledge.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace keepgate {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

// The value of one hexadecimal digit, or -1.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = to_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Digits only, at least one, no sign, no spaces; nothing on overflow.
template <std::unsigned_integral T>
std::optional<T> parse_unsigned(std::string_view text) {
  T value{};
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Without spaces and tabs at both ends.
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string to_lower(std::string_view text);
std::string to_hex(std::string_view bytes);

// For a log or a message: control bytes, quotes, backslashes and non-ASCII bytes become \xHH; cut at `bytes_max`.
std::string printable(std::string_view text, std::size_t bytes_max = 200);

// JSON string escaping without the quotes; invalid UTF-8 becomes U+FFFD. Appends to `out`.
void append_json_escaped(std::string& out, std::string_view text);

namespace detail {
inline void append_piece(std::string& out, std::string_view piece) { out.append(piece); }
inline void append_piece(std::string& out, char piece) { out.push_back(piece); }
inline void append_piece(std::string& out, std::integral auto piece) {
  char digits[24];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, piece);
  out.append(digits, end);
}
}  // namespace detail

template <typename... Pieces>
void append(std::string& out, const Pieces&... pieces) {
  (detail::append_piece(out, pieces), ...);
}

// Joins strings, characters and whole numbers: cat("port ", 80, " is taken").
template <typename... Pieces>
std::string cat(const Pieces&... pieces) {
  std::string out;
  append(out, pieces...);
  return out;
}

}  // namespace keepgate

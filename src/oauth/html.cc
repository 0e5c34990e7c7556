#include "oauth/html.h"

#include <cstdint>

namespace keepgate::oauth {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd", ellipsis = "\xe2\x80\xa6";

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  // 0: what stands there is no UTF-8.
};

// RFC 3629 §4: neither overlong forms nor surrogates nor what is above U+10FFFF.
CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(text[at + i])}; };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (bytes == 0 || text.size() - at < bytes) return {};
  std::uint32_t value = first & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < least[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, bytes};
}

// Controls; marks of direction, embeddings, overrides and isolates; line and paragraph separators; what takes no room,
// so that two names that differ would look alike; U+FEFF; tags.
bool is_deceptive(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
         (c >= 0xe0000 && c <= 0xe007f);
}

std::string_view reference_for(std::uint32_t c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string escape_html_cut(std::string_view text, std::size_t characters_max) {
  std::string out;
  out.reserve(text.size() + 16);
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++characters) {
    if (characters == characters_max) return out.append(ellipsis);
    const CodePoint point = code_point_at(text, at);
    if (point.bytes == 0 || is_deceptive(point.value)) {
      out.append(replacement);
    } else if (const std::string_view reference = reference_for(point.value); !reference.empty()) {
      out.append(reference);
    } else {
      out.append(text.substr(at, point.bytes));
    }
    at += point.bytes == 0 ? 1 : point.bytes;
  }
  return out;
}

std::string escape_html(std::string_view text) { return escape_html_cut(text, std::string_view::npos); }

}  // namespace keepgate::oauth

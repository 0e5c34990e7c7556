// Percent-encoding (RFC 3986 §2.1). Pure functions; how strict to be is the caller's business.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace keepgate {

// The byte that "%xx" at text[at] stands for, 0 to 255; -1: no escape stands there.
constexpr int percent_byte(std::string_view text, std::size_t at) {
  if (text[at] != '%' || text.size() - at < 3) return -1;
  const int high = hex_value(text[at + 1]), low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

// Every escape decoded; what is none stands for itself. `space`: a byte that stands for a space ('+' in forms); 0:
// none.
inline std::string percent_decoded(std::string_view text, char space = 0) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = percent_byte(text, i);
    if (byte >= 0) i += 2;
    out.push_back(byte >= 0 ? static_cast<char>(byte) : space != 0 && text[i] == space ? ' ' : text[i]);
  }
  return out;
}

}  // namespace keepgate

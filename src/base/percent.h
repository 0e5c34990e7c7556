// Percent-encoding (RFC 3986 §2.1). Pure functions; how strict to be is the caller's business.
#pragma once

#include <algorithm>
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
  constexpr std::size_t none = std::string_view::npos;
  std::string out;
  out.reserve(text.size());  // At once: who wipes it has all of it.
  std::size_t at = 0, escape = text.find('%'), blank = space == 0 ? none : text.find(space);
  while (escape != none || blank != none) {
    const std::size_t stop = std::min(escape, blank);
    out.append(text, at, stop - at);
    const int byte = percent_byte(text, stop);
    out.push_back(byte >= 0 ? static_cast<char>(byte) : stop == escape ? '%' : ' ');
    at = stop + (byte >= 0 ? 3 : 1);
    if (stop == escape) escape = text.find('%', at);
    if (stop == blank) blank = text.find(space, at);
  }
  out.append(text, at);
  return out;
}

}  // namespace keepgate

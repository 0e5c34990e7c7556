// "host:80" taken apart, for everything that names an address. Thread rule: pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace keepgate::conf {

struct HostPort {
  std::string_view host;  // With the brackets of an IPv6 address.
  std::optional<std::uint16_t> port;
  bool valid = false;
};

// "host", "host:80", "1.2.3.4:80", "[::1]:80".
inline HostPort split_host(std::string_view text) {
  HostPort out;
  std::size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return out;
    if (bracket + 1 < text.size() && text[bracket + 1] != ':') return out;
    colon = bracket + 1 < text.size() ? bracket + 1 : std::string_view::npos;
  } else if (colon != std::string_view::npos && text.find(':') != colon) {
    return out;  // An IPv6 address wants brackets.
  }
  out.host = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    out.port = parse_unsigned<std::uint16_t>(text.substr(colon + 1));
    if (!out.port || *out.port == 0) return out;
  }
  out.valid = !out.host.empty() && out.host.find_first_of(" \t\r\n@/?#\\") == std::string_view::npos;
  return out;
}

}  // namespace keepgate::conf

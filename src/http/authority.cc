#include "http/authority.h"

#include <arpa/inet.h>

#include <cstring>

#include "base/bytes.h"
#include "http/chars.h"

namespace keepgate::http {

namespace {

constexpr std::size_t host_bytes_max = 255;  // RFC 1035 §2.3.4.

// RFC 3986 allows an empty port, port 0 and any number of digits; two programs may read those differently.
bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned port = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port >= 1 && port <= 65535;
}

// "[…]". IPvFuture and zone identifiers (RFC 6874) are refused.
bool is_ipv6_literal(std::string_view text) {
  char address[INET6_ADDRSTRLEN] = {};
  if (text.size() < 4 || text.size() - 2 >= sizeof address) return false;
  text = text.substr(1, text.size() - 2);
  if (text.find('\0') != std::string_view::npos) return false;
  std::memcpy(address, text.data(), text.size());
  in6_addr parsed{};
  return ::inet_pton(AF_INET6, address, &parsed) == 1;
}

// A reg-name of unreserved characters in non-empty labels. Percent-encoding and sub-delims, which RFC 3986 §3.2.2
// allows, are refused: no name in DNS has them, and a decoded or a comma-joined host would be a second reading.
bool is_reg_name(std::string_view name) {
  if (name.empty() || name.size() > host_bytes_max || name.front() == '.') return false;
  char before = 0;
  for (const char c : name) {
    if (!is_char(c, char_host) || (c == '.' && before == '.')) return false;
    before = c;
  }
  return true;
}

Authority with_port(std::string_view host, std::string_view rest) {
  if (rest.empty()) return {true, false, host};
  if (rest.front() != ':' || !is_port(rest.substr(1))) return {};
  return {true, true, host};
}

}  // namespace

Authority parse_authority(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return {};
    const std::string_view host = text.substr(0, close + 1);
    return is_ipv6_literal(host) ? with_port(host, text.substr(close + 1)) : Authority{};
  }
  const std::size_t colon = text.find(':');
  std::string_view host = text.substr(0, colon);
  if (!is_reg_name(host)) return {};
  if (host.ends_with('.')) host.remove_suffix(1);
  return with_port(host, colon == std::string_view::npos ? std::string_view{} : text.substr(colon));
}

}  // namespace keepgate::http

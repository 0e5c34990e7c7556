// The PROXY protocol, versions 1 and 2: what a balancer writes in front of a connection about the client behind it.
//
// No I/O: bytes in, a verdict out; the caller gives everything received so far and takes `bytes` off when complete.
// Strict: what is not exactly as specified is malformed. Bounds: a line of 107 bytes, a version 2 header of
// header_bytes_max. Thread rule: pure functions and plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"

namespace keepgate::net {

enum class ProxyParse : std::uint8_t { malformed = 0, need_more, complete };

// Who speaks to whom, as the balancer saw it.
struct ProxyHeader {
  Address source, destination;
};

struct ProxyParsed {
  ProxyParse status = ProxyParse::malformed;
  std::size_t bytes = 0;       // With complete: the length of the header.
  bool has_addresses = false;  // With complete: `header` is set. Not so for LOCAL, UNKNOWN and other families.
  ProxyHeader header;
  std::string_view reason;  // With malformed; a literal.
};

inline constexpr std::size_t proxy_line_bytes_max = 107;     // Version 1, with its CRLF.
inline constexpr std::size_t proxy_header_bytes_max = 4096;  // Version 2, with all that follows the addresses.

ProxyParsed parse_proxy_header(std::string_view bytes);

// Writes a header for a connection from `source` to `destination`. Addresses that version 1 has no words for, or of two
// families, are UNKNOWN; in version 2 they are LOCAL's like: unspecified.
std::string write_proxy_v1(const Address& source, const Address& destination);
std::string write_proxy_v2(const Address& source, const Address& destination);

}  // namespace keepgate::net

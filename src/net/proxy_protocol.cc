#include "net/proxy_protocol.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/bytes.h"

namespace keepgate::net {

namespace {

constexpr std::string_view line_begin = "PROXY ";
constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t fixed_bytes = 16;  // Signature, version and command, family, length.
constexpr std::size_t four_bytes = 12, six_bytes = 36, unix_bytes = 216;
constexpr std::size_t tlv_head_bytes = 3;

enum Command : unsigned { local = 0, proxy = 1 };
enum Family : unsigned { unspecified = 0, four = 1, six = 2, unix_socket = 3 };
constexpr unsigned stream_transport = 1;

ProxyParsed malformed(std::string_view reason) {
  ProxyParsed out;
  out.reason = reason;
  return out;
}

ProxyParsed need_more() {
  ProxyParsed out;
  out.status = ProxyParse::need_more;
  return out;
}

ProxyParsed complete(std::size_t bytes) {
  ProxyParsed out;
  out.status = ProxyParse::complete;
  out.bytes = bytes;
  return out;
}

// The words of the line, exactly one space between them.
std::optional<std::array<std::string_view, 5>> five_words(std::string_view line) {
  std::array<std::string_view, 5> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t space = line.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == words.size())) return std::nullopt;
    words[i] = line.substr(0, space);
    if (words[i].empty()) return std::nullopt;
    if (space != std::string_view::npos) line.remove_prefix(space + 1);
  }
  return words;
}

// No leading zeros: two programs must not read two numbers.
std::optional<Address> address_of(std::string_view host, std::string_view port, int family) {
  const auto number = parse_unsigned<std::uint16_t>(port);
  if (!number || (port.size() > 1 && port.front() == '0') || host.starts_with('[')) return std::nullopt;
  auto address = Address::ip(host, *number);
  if (address && address->family() != family) address.reset();
  return address;
}

ProxyParsed parse_line(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, proxy_line_bytes_max).find('\n');
  if (end == std::string_view::npos) {
    return bytes.size() < proxy_line_bytes_max ? need_more() : malformed("the line of version 1 is too long");
  }
  if (bytes[end - 1] != '\r') return malformed("bare LF");
  std::string_view line = bytes.substr(line_begin.size(), end - 1 - line_begin.size());
  if (line.find('\r') != std::string_view::npos) return malformed("bare CR");
  ProxyParsed out = complete(end + 1);
  // The rest of an UNKNOWN line is to be ignored.
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return out;
  const auto words = five_words(line);
  if (!words) return malformed("the line of version 1 has not five words behind PROXY");
  const int family = (*words)[0] == "TCP4" ? AF_INET : (*words)[0] == "TCP6" ? AF_INET6 : AF_UNSPEC;
  if (family == AF_UNSPEC) return malformed("unknown protocol in version 1");
  const auto source = address_of((*words)[1], (*words)[3], family);
  const auto destination = address_of((*words)[2], (*words)[4], family);
  if (!source || !destination) return malformed("bad address or port in version 1");
  out.has_addresses = true;
  out.header = {*source, *destination};
  return out;
}

unsigned byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }
unsigned pair_at(std::string_view bytes, std::size_t at) { return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1); }

Address four_at(std::string_view bytes, std::size_t host, std::size_t port) {
  sockaddr_in native{};
  native.sin_family = AF_INET;
  std::memcpy(&native.sin_addr, bytes.data() + host, 4);
  std::memcpy(&native.sin_port, bytes.data() + port, 2);
  return Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
}

Address six_at(std::string_view bytes, std::size_t host, std::size_t port) {
  sockaddr_in6 native{};
  native.sin6_family = AF_INET6;
  std::memcpy(&native.sin6_addr, bytes.data() + host, 16);
  std::memcpy(&native.sin6_port, bytes.data() + port, 2);
  return Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
}

// What follows the addresses: type, length, value, to the last byte exactly. Nothing of it is used.
bool tlvs_are_whole(std::string_view rest) {
  while (!rest.empty()) {
    if (rest.size() < tlv_head_bytes) return false;
    const std::size_t whole = tlv_head_bytes + pair_at(rest, 1);
    if (rest.size() < whole) return false;
    rest.remove_prefix(whole);
  }
  return true;
}

std::size_t address_bytes(unsigned family) {
  switch (family) {
    case four:
      return four_bytes;
    case six:
      return six_bytes;
    case unix_socket:
      return unix_bytes;
    default:
      return 0;
  }
}

ProxyParsed parse_binary(std::string_view bytes) {
  if (bytes.size() < fixed_bytes) return need_more();
  const unsigned version = byte_at(bytes, 12) >> 4, command = byte_at(bytes, 12) & 15;
  const unsigned family = byte_at(bytes, 13) >> 4, transport = byte_at(bytes, 13) & 15;
  const std::size_t whole = fixed_bytes + pair_at(bytes, 14);
  if (version != 2) return malformed("unknown version");
  if (command > proxy) return malformed("unknown command");
  if (family > unix_socket || transport > 2) return malformed("unknown family");
  if (whole > proxy_header_bytes_max) return malformed("the header of version 2 is too large");
  if (bytes.size() < whole) return need_more();
  ProxyParsed out = complete(whole);
  // A health check of the balancer itself, or nothing that it could say: the connection's own addresses hold.
  if (command == local || family == unspecified || transport != stream_transport) return out;
  const std::string_view body = bytes.substr(fixed_bytes, whole - fixed_bytes);
  if (body.size() < address_bytes(family)) return malformed("the addresses are cut off");
  if (!tlvs_are_whole(body.substr(address_bytes(family)))) return malformed("a field behind the addresses is cut off");
  if (family == unix_socket) return out;
  out.has_addresses = true;
  if (family == four) {
    out.header = {four_at(body, 0, 8), four_at(body, 4, 10)};
  } else {
    out.header = {six_at(body, 0, 32), six_at(body, 16, 34)};
  }
  return out;
}

bool begins_alike(std::string_view bytes, std::string_view wanted) {
  const std::size_t size = std::min(bytes.size(), wanted.size());
  return bytes.substr(0, size) == wanted.substr(0, size);
}

bool have_one_ip_family(const Address& a, const Address& b) {
  return a.family() == b.family() && (a.family() == AF_INET || a.family() == AF_INET6);
}

void append_pair(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xff));
}

std::string_view raw_ip(const Address& address) {
  if (address.family() == AF_INET) return address.ip_bytes();
  return {reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in6*>(address.native())->sin6_addr), 16};
}

}  // namespace

ProxyParsed parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return need_more();
  if (begins_alike(bytes, line_begin)) return bytes.size() < line_begin.size() ? need_more() : parse_line(bytes);
  if (begins_alike(bytes, signature)) return bytes.size() < signature.size() ? need_more() : parse_binary(bytes);
  return malformed("no PROXY header");
}

std::string write_proxy_v1(const Address& source, const Address& destination) {
  if (!have_one_ip_family(source, destination)) return "PROXY UNKNOWN\r\n";
  // A mapped address is written as the IPv4 address that it is: then both must be.
  const bool is_four = source.ip_bytes().size() == 4;
  if (is_four != (destination.ip_bytes().size() == 4)) return "PROXY UNKNOWN\r\n";
  return cat("PROXY ", is_four ? "TCP4 " : "TCP6 ", source.ip_text(), ' ', destination.ip_text(), ' ', source.port(),
             ' ', destination.port(), "\r\n");
}

std::string write_proxy_v2(const Address& source, const Address& destination) {
  std::string out(signature);
  if (!have_one_ip_family(source, destination)) {
    out.push_back(0x21);
    out.push_back(0x00);
    append_pair(out, 0);
    return out;
  }
  const bool is_four = source.family() == AF_INET;
  out.push_back(0x21);
  out.push_back(is_four ? 0x11 : 0x21);
  append_pair(out, is_four ? four_bytes : six_bytes);
  append(out, raw_ip(source), raw_ip(destination));
  append_pair(out, source.port());
  append_pair(out, destination.port());
  return out;
}

}  // namespace keepgate::net

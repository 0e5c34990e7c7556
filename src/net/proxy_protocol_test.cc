#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::net {
namespace {

using std::string_literals::operator""s;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

// Version 2 with these fields; the length is what it should be unless given.
std::string binary(unsigned char command, unsigned char family, std::string_view body, int length = -1) {
  const std::size_t size = length < 0 ? body.size() : static_cast<std::size_t>(length);
  std::string out = signature;
  out += {static_cast<char>(command), static_cast<char>(family), static_cast<char>(size >> 8),
          static_cast<char>(size & 0xff)};
  return out.append(body);
}

const std::string four = "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb"s;

TEST(ProxyProtocol, reads_version_1) {
  const ProxyParsed tcp4 = parse_proxy_header("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nGET / HTTP/1.1\r\n");
  ASSERT_EQ(tcp4.status, ProxyParse::complete) << tcp4.reason;
  EXPECT_EQ(tcp4.bytes, 44u);
  EXPECT_EQ(tcp4.header.source.text(), "192.0.2.7:4711");
  EXPECT_EQ(tcp4.header.destination.text(), "198.51.100.1:443");
  const ProxyParsed tcp6 = parse_proxy_header("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n");
  ASSERT_EQ(tcp6.status, ProxyParse::complete) << tcp6.reason;
  EXPECT_EQ(tcp6.header.source.text(), "[2001:db8::1]:65535");
}

TEST(ProxyProtocol, passes_over_what_version_1_does_not_know) {
  for (const char* text : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f:ffff anything at all\r\n"}) {
    const ProxyParsed parsed = parse_proxy_header(text);
    EXPECT_EQ(parsed.status, ProxyParse::complete) << text;
    EXPECT_FALSE(parsed.has_addresses);
    EXPECT_EQ(parsed.bytes, std::string_view(text).size());
  }
}

TEST(ProxyProtocol, refuses_a_malformed_line) {
  for (const char* line : {
           "GET / HTTP/1.1\r\n",
           "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
           " PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n",
           "PROXY TCP4 ::1 ::1 1 2\r\n",
           "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY TCP6 [::1] ::1 1 2\r\n",
           "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY UNKNOWNX\r\n",
           "PROXY \r\n",
       }) {
    const ProxyParsed parsed = parse_proxy_header(line);
    EXPECT_EQ(parsed.status, ProxyParse::malformed) << line;
    EXPECT_FALSE(parsed.reason.empty());
  }
}

TEST(ProxyProtocol, bounds_the_line_at_107_bytes) {
  const std::string begin = "PROXY UNKNOWN ";
  const std::string longest = begin + std::string(proxy_line_bytes_max - begin.size() - 2, 'x') + "\r\n";
  EXPECT_EQ(parse_proxy_header(longest).status, ProxyParse::complete);
  EXPECT_EQ(parse_proxy_header(begin + std::string(proxy_line_bytes_max - begin.size() - 1, 'x') + "\r\n").status,
            ProxyParse::malformed);
  EXPECT_EQ(parse_proxy_header(begin + std::string(proxy_line_bytes_max - begin.size() - 1, 'x')).status,
            ProxyParse::need_more);
  EXPECT_EQ(parse_proxy_header(begin + std::string(proxy_line_bytes_max - begin.size(), 'x')).status,
            ProxyParse::malformed);
}

TEST(ProxyProtocol, reads_version_2) {
  const ProxyParsed parsed = parse_proxy_header(binary(0x21, 0x11, four) + "GET");
  ASSERT_EQ(parsed.status, ProxyParse::complete) << parsed.reason;
  EXPECT_EQ(parsed.bytes, 28u);
  EXPECT_EQ(parsed.header.source.text(), "192.0.2.7:4711");
  EXPECT_EQ(parsed.header.destination.text(), "198.51.100.1:443");
  const std::string six = std::string(15, '\0') + "\x01" + std::string(15, '\0') + "\x02" + "\0\x50\x01\xbb"s;
  const ProxyParsed other = parse_proxy_header(binary(0x21, 0x21, six));
  ASSERT_EQ(other.status, ProxyParse::complete) << other.reason;
  EXPECT_EQ(other.header.source.text(), "[::1]:80");
  EXPECT_EQ(other.header.destination.text(), "[::2]:443");
}

TEST(ProxyProtocol, has_no_addresses_for_local_and_families_that_are_not_ours) {
  for (const std::string& text : {
           binary(0x20, 0x00, ""),
           binary(0x20, 0x11, four),
           binary(0x20, 0x11, "x"),
           binary(0x21, 0x00, ""),
           binary(0x21, 0x00, "\x04\0\x01x"s),
           binary(0x21, 0x12, four),
           binary(0x21, 0x31, std::string(216, 'x')),
       }) {
    const ProxyParsed parsed = parse_proxy_header(text);
    EXPECT_EQ(parsed.status, ProxyParse::complete) << parsed.reason;
    EXPECT_FALSE(parsed.has_addresses);
    EXPECT_EQ(parsed.bytes, text.size());
  }
}

TEST(ProxyProtocol, refuses_a_malformed_header) {
  for (const std::string& text : {
           binary(0x11, 0x11, four),
           binary(0x22, 0x11, four),
           binary(0x21, 0x41, four),
           binary(0x21, 0x13, four),
           binary(0x21, 0x11, four.substr(0, 11)),
           binary(0x21, 0x21, four),
           binary(0x21, 0x31, four),
           binary(0x21, 0x11, four + "\x04"),
           binary(0x21, 0x11, four + "\x04\0\x02x"s),
           "\r\n\r\n\0\r\nQUIX\n!"s,
           "\r\n\r\nGET / HTTP/1.1"s,
       }) {
    EXPECT_EQ(parse_proxy_header(text).status, ProxyParse::malformed);
  }
}

TEST(ProxyProtocol, bounds_the_header_at_4096_bytes) {
  const auto padded = [](std::size_t whole) {
    const std::size_t value = whole - 16 - four.size() - 3;
    return binary(
        0x21, 0x11,
        four + '\x04' + static_cast<char>(value >> 8) + static_cast<char>(value & 0xff) + std::string(value, '\0'));
  };
  EXPECT_EQ(parse_proxy_header(padded(proxy_header_bytes_max)).status, ProxyParse::complete);
  EXPECT_EQ(parse_proxy_header(padded(proxy_header_bytes_max + 1)).status, ProxyParse::malformed);
  EXPECT_EQ(parse_proxy_header(binary(0x21, 0x11, "", 65535)).status, ProxyParse::malformed) << "before it came";
}

TEST(ProxyProtocol, waits_for_more_at_every_cut) {
  for (const std::string& text :
       {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"s, binary(0x21, 0x11, four + "\x04\0\x01x"s)}) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_EQ(parse_proxy_header(text.substr(0, size)).status, ProxyParse::need_more) << size;
    }
    EXPECT_EQ(parse_proxy_header(text).status, ProxyParse::complete);
  }
}

TEST(ProxyProtocol, writes_what_it_reads) {
  for (const auto& [source, destination] : {
           std::pair{*Address::ip("192.0.2.7", 4711), *Address::ip("198.51.100.1", 443)},
           std::pair{*Address::ip("2001:db8::7", 1), *Address::ip("::1", 65535)},
       }) {
    for (const std::string& text : {write_proxy_v1(source, destination), write_proxy_v2(source, destination)}) {
      const ProxyParsed parsed = parse_proxy_header(text);
      ASSERT_EQ(parsed.status, ProxyParse::complete) << parsed.reason;
      EXPECT_EQ(parsed.bytes, text.size());
      EXPECT_EQ(parsed.header.source, source);
      EXPECT_EQ(parsed.header.destination, destination);
    }
  }
}

TEST(ProxyProtocol, says_nothing_about_addresses_without_a_common_family) {
  const Address four_address = *Address::ip("192.0.2.7", 1), six_address = *Address::ip("::1", 1);
  const Address socket = *Address::unix_path("/run/x");
  EXPECT_EQ(write_proxy_v1(four_address, six_address), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(write_proxy_v1(socket, socket), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(write_proxy_v1(*Address::ip("::ffff:192.0.2.7", 1), *Address::ip("::ffff:192.0.2.8", 2)),
            "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n");
  EXPECT_FALSE(parse_proxy_header(write_proxy_v2(four_address, socket)).has_addresses);
}

}  // namespace
}  // namespace keepgate::net

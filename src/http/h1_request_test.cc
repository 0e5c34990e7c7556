#include <gtest/gtest.h>

#include "http/h1_test_support.h"

namespace keepgate::http {
namespace {

using namespace test;  // NOLINT: this file's own support.

std::string get(std::string_view target) { return cat("GET ", target, " HTTP/1.1\r\nHost: a.example\r\n\r\n"); }
std::string line(std::string_view request_line) { return cat(request_line, "\r\nHost: a.example\r\n\r\n"); }
std::string field(std::string_view fields) {
  return cat("POST /x HTTP/1.1\r\nHost: a.example\r\n", fields, "\r\n\r\n");
}
std::string host(std::string_view value) { return cat("GET / HTTP/1.1\r\nHost: ", value, "\r\n\r\n"); }
std::string absolute(std::string_view target, std::string_view host_field) {
  return cat("GET ", target, " HTTP/1.1\r\nHost: ", host_field, "\r\n\r\n");
}
std::string with_byte(std::string_view before, char byte, std::string_view after) { return cat(before, byte, after); }

const std::vector<Row>& framing_rows() {
  static const std::vector<Row> rows = {
      {"length and chunked", 400, field("Content-Length: 5\r\nTransfer-Encoding: chunked"), field("Content-Length: 5")},
      {"chunked and length", 400, field("Transfer-Encoding: chunked\r\nContent-Length: 5"),
       field("Transfer-Encoding: chunked")},
      {"both in capitals", 400, field("TRANSFER-ENCODING: CHUNKED\r\nCONTENT-LENGTH: 5"),
       field("TRANSFER-ENCODING: CHUNKED")},
      {"length 0 and chunked", 400, field("Content-Length: 0\r\nTransfer-Encoding: chunked"),
       field("Content-Length: 0")},
      {"length and unknown coding", 400, field("Content-Length: 5\r\nTransfer-Encoding: gzip"),
       field("Content-Length: 5\r\nX-Coding: gzip")},
      {"unknown coding", 501, field("Transfer-Encoding: gzip"), field("Content-Encoding: gzip")},
      {"identity", 501, field("Transfer-Encoding: identity"), field("Transfer-Encoding: Chunked")},
      {"almost chunked", 501, field("Transfer-Encoding: xchunked"), field("Transfer-Encoding: chunked")},
      {"chunked cut short", 501, field("Transfer-Encoding: chunke"), field("Transfer-Encoding:chunked")},
      {"coding list", 400, field("Transfer-Encoding: gzip, chunked"), field("TE: gzip, chunked")},
      {"coding list, chunked first", 400, field("Transfer-Encoding: chunked, gzip"), field("X: chunked, gzip")},
      {"chunked twice in a list", 400, field("Transfer-Encoding: chunked, chunked"), field("X: chunked, chunked")},
      {"empty element before", 400, field("Transfer-Encoding: , chunked"), field("X: , chunked")},
      {"empty element after", 400, field("Transfer-Encoding: chunked,"), field("X: chunked,")},
      {"parameter", 400, field("Transfer-Encoding: chunked;q=1"), field("X: chunked;q=1")},
      {"quoted", 400, field("Transfer-Encoding: \"chunked\""), field("X: \"chunked\"")},
      {"two coding fields", 400, field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       field("Transfer-Encoding: chunked\r\nTransfer-Encodings: chunked")},
      {"chunked and identity fields", 400, field("Transfer-Encoding: chunked\r\nTransfer-encoding: identity"),
       field("Transfer-Encoding: chunked\r\nX: identity")},
      {"empty coding", 400, field("Transfer-Encoding:"), field("X:")},
      {"blank coding", 400, field("Transfer-Encoding:   "), field("X:   ")},
      {"two spaces before chunked", 400, field("Transfer-Encoding:  chunked"), field("X:  chunked")},
      {"tab before chunked", 400, field("Transfer-Encoding:\tchunked"), field("X:\tchunked")},
      {"tab after chunked", 400, field("Transfer-Encoding: chunked\t"), field("X: chunked\t")},
      {"space after chunked", 400, field("Transfer-Encoding: chunked "), field("X: chunked ")},
      {"vertical tab before chunked", 400,
       field("Transfer-Encoding: \x0b"
             "chunked"),
       field("X: chunked")},
      {"no-break space before chunked", 400,
       field("Transfer-Encoding: \xa0"
             "chunked"),
       field("X: \xa0"
             "chunked")},
      {"coding in 1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
       "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"},
      {"length list", 400, field("Content-Length: 1, 2"), field("Content-Length: 12")},
      {"length list of equals", 400, field("Content-Length: 1,1"), field("Content-Length: 11")},
      {"two equal lengths", 400, field("Content-Length: 1\r\nContent-Length: 1"), field("Content-Length: 1\r\nX: 1")},
      {"two lengths", 400, field("Content-Length: 1\r\ncontent-length: 2"), field("content-length: 2")},
      {"plus sign", 400, field("Content-Length: +1"), field("Content-Length: 1")},
      {"minus sign", 400, field("Content-Length: -1"), field("Content-Length: 0001")},
      {"hexadecimal length", 400, field("Content-Length: 0x1"), field("Content-Length: 0")},
      {"underscore in length", 400, field("Content-Length: 1_0"), field("Content-Length: 10")},
      {"exponent", 400, field("Content-Length: 1e1"), field("Content-Length: 10 ")},
      {"fraction", 400, field("Content-Length: 1.0"), field("Content-Length: 1\t")},
      {"space inside length", 400, field("Content-Length: 1 0"), field("Content-Length:10")},
      {"empty length", 400, field("Content-Length:"), field("Content-Length:1")},
      {"blank length", 400, field("Content-Length:  "), field("Content-Length:  1")},
      {"length 2^63", 400, field("Content-Length: 9223372036854775808"), field("Content-Length: 9223372036854775807")},
      {"length 2^64 + 1", 400, field("Content-Length: 18446744073709551617"),
       field("Content-Length: 1844674407370955")},
      {"length of 400 digits", 400, field(cat("Content-Length: ", std::string(400, '9'))), field("Content-Length: 9")},
      {"non-ASCII digit", 400, field("Content-Length: \xd9\xa1"), field("X: \xd9\xa1")},
      {"unknown expectation", 417, field("Expect: 200-ok"), field("Expect: 100-continue")},
      {"expectation list", 417, field("Expect: 100-continue, x"), field("Expect: 100-Continue")},
      {"obfuscated expectation", 417, field("Expect: y 100-continue"), field("X: y 100-continue")},
      {"empty expectation", 417, field("Expect:"), field("X-Expect:")},
      {"two expectations", 400, field("Expect: 100-continue\r\nExpect: 100-continue"),
       field("Expect: 100-continue\r\nX: y")},
      {"Connection option with a space", 400, field("Connection: keep alive"), field("Connection: keep-alive")},
      {"Connection option in quotes", 400, field("Connection: \"close\""), field("Connection: , close ,")},
  };
  return rows;
}

const std::vector<Row>& line_rows() {
  static const std::vector<Row> rows = {
      {"bare LF after a field", 400, "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"},
      {"bare LF ends the head", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n", get("/")},
      {"bare CR in a value", 400, field("X: a\rb"), field("X: a b")},
      {"bare CR before CRLF", 400, field("X: a\r"), field("X: a")},
      {"bare CR in a name", 400, field("X\rY: a"), field("XY: a")},
      {"bare CR as a line", 400, field("X: a\r\n\rY: b"), field("X: a\r\nY: b")},
      {"NUL in a value", 400, field("X: a\0b"s), field("X: a0b")},
      {"NUL in a name", 400, field("X\0Y: ab"s), field("X0Y: ab")},
      {"NUL after the value", 400, field("X: a\0"s), field("X: a\t")},
      {"control byte 0x01", 400, field("X: a\x01"), field("X: a")},
      {"escape", 400, field("X: \x1b[0m"), field("X: [0m")},
      {"DEL", 400, field("X: a\x7f"), field("X: a\x80")},
      {"vertical tab", 400, field("X: a\x0b"), field("X: a\t")},
      {"form feed", 400,
       field("X:\x0c"
             "a"),
       field("X:\ta")},
      {"control byte far into a long value", 400,
       field(cat("X: ", std::string(333, 'a'), "\x02", std::string(99, 'a'))),
       field(cat("X: ", std::string(333, 'a'), "\t", std::string(99, 'a')))},
      {"folded line", 400, field("X: a\r\n b"), field("X: a\r\nb:")},
      {"line folded by a tab", 400, field("X: a\r\n\tb"), field("X: a\tb")},
      {"fold that hides a length", 400, field("X: a\r\n Content-Length: 5"), field("X: a\r\nContent-Length: 5")},
      {"blank line of white space", 400, field("X: a\r\n "), field("X: a ")},
      {"space before the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "GET / HTTP/1.1\r\nHost:  a\r\n\r\n"},
      {"tab before the first field", 400, "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost:\ta\r\n\r\n"},
      {"space before the colon", 400, field("Content-Length : 5"), field("Content-Length:5")},
      {"tab before the colon", 400, field("X\t: 5"), field("X:\t5")},
      {"vertical tab before the colon", 400, field("X\x0b: 5"), field("X: 5")},
      {"empty name", 400, field(": a"), field("a: ")},
      {"colon only", 400, field(":"), field("a:")},
      {"no colon", 400, field("Xabc"), field("Xabc:")},
      {"no colon after others", 400, field("X: a\r\nbcd"), field("X: a\r\nbcd:")},
      {"space in a name", 400, field("X Y: a"), field("X-Y: a")},
      {"byte 0x80 in a name", 400, field("X\x80: a"), field("X: \x80")},
      {"byte 0xff in a name", 400, field("\xff: a"), field("x: \xff")},
      {"no-break space in a name", 400, field("X\xa0: a"),
       field("X:\xa0"
             "a")},
      {"slash in a name", 400, field("X/Y: a"), field("X-Y: /")},
      {"parenthesis in a name", 400, field("X(Y): a"), field("XY: ()")},
      {"bracket in a name", 400, field("X[0]: a"), field("X0: []")},
      {"quote in a name", 400, field("\"X\": a"), field("X: \"a\"")},
      {"at sign in a name", 400, field("X@: a"), field("X: @")},
      {"brace in a name that would be dropped", 400, field("X_{: a"), field("X_: a")},
  };
  return rows;
}

const std::vector<Row>& request_line_rows() {
  static const std::vector<Row> rows = {
      {"two spaces before the target", 400, line("GET  / HTTP/1.1"), line("GET / HTTP/1.1")},
      {"two spaces before the version", 400, line("GET /  HTTP/1.1"), line("GET /%20 HTTP/1.1")},
      {"tab before the target", 400, line("GET\t/ HTTP/1.1"), line("GET /%09 HTTP/1.1")},
      {"space at the end", 400, line("GET / HTTP/1.1 "), line("GET /1 HTTP/1.1")},
      {"space at the start", 400, line(" GET / HTTP/1.1"), line("G / HTTP/1.1")},
      {"space in the target", 400, line("GET /a b HTTP/1.1"), line("GET /a+b HTTP/1.1")},
      {"bare CR at the end", 400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no target", 400, line("GET HTTP/1.1"), line("GET /HTTP/1.1 HTTP/1.1")},
      {"method only", 400, line("GET"), line("GET / HTTP/1.0")},
      {"HTTP/0.9 request", 400, line("GET /"), line("GET / HTTP/1.0")},
      {"version 0.9", 505, line("GET / HTTP/0.9"), line("GET / HTTP/1.0")},
      {"version 1.2", 505, line("GET / HTTP/1.2"), line("GET / HTTP/1.1")},
      {"version 1.9", 505, line("GET / HTTP/1.9"), line("GET / HTTP/1.1")},
      {"version 2.0", 505, line("GET / HTTP/2.0"), line("GET / HTTP/1.1")},
      {"HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"version without a minor", 400, line("GET / HTTP/1"), line("GET / HTTP/1.1")},
      {"version with two digits", 400, line("GET / HTTP/1.10"), line("GET / HTTP/1.1")},
      {"version with leading zero", 400, line("GET / HTTP/01.1"), line("GET / HTTP/1.1")},
      {"lower-case version", 400, line("GET / http/1.1"), line("GET /http/1.1 HTTP/1.1")},
      {"mixed-case version", 400, line("GET / Http/1.1"), line("GET / HTTP/1.1")},
      {"another protocol", 400, line("GET / RTSP/1.0"), line("GET / HTTP/1.0")},
      {"letter as version", 400, line("GET / HTTP/1.x"), line("GET / HTTP/1.0")},
      {"fragment", 400, get("/a#b"), get("/a%23b")},
      {"fragment in the query", 400, get("/a?b#c"), get("/a?b%23c")},
      {"NUL in the target", 400, get("/a\0b"s), get("/a%00b")},
      {"control byte in the target", 400, get("/a\x01"), get("/a%01")},
      {"DEL in the target", 400, get("/a\x7f"), get("/a%7f")},
      {"byte 0x80 in the target", 400, get("/a\x80"), get("/a%80")},
      {"UTF-8 in the target", 400, get("/\xc3\xa9"), get("/%c3%a9")},
      {"byte 0xff behind 40 others", 400, get(cat("/", std::string(40, 'a'), "\xff")),
       get(cat("/", std::string(40, 'a')))},
      {"target without a slash", 400, get("a/b"), get("/a/b")},
      {"query without a path", 400, get("?a"), get("/?a")},
      {"asterisk with GET", 400, get("*"), line("OPTIONS * HTTP/1.1")},
      {"asterisk and more", 400, line("OPTIONS */ HTTP/1.1"), line("OPTIONS /* HTTP/1.1")},
      {"asterisk with a query", 400, line("OPTIONS *?a HTTP/1.1"), line("OPTIONS /*?a HTTP/1.1")},
      {"authority-form with GET", 400, absolute("a.example:80", "a.example:80"), get("/a.example:80")},
      {"CONNECT with a path", 400, line("CONNECT / HTTP/1.1"), "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
      {"CONNECT without a port", 400, "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
       "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
      {"CONNECT to another host", 400, "CONNECT b:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
       "CONNECT A:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
      {"CONNECT with a scheme", 400, absolute("CONNECT http://a/", "a"), absolute("http://a/", "a")},
      {"empty method", 400, " / HTTP/1.1\r\nHost: a\r\n\r\n", "X / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"method with a colon", 400, line("GE:T / HTTP/1.1"), line("GE-T / HTTP/1.1")},
      {"method with a slash", 400, line("GE/T / HTTP/1.1"), line("get / HTTP/1.1")},
      {"method with byte 0x80", 400, line("GET\x80 / HTTP/1.1"), line("GET! / HTTP/1.1")},
      {"method of 33 bytes", 400, line(cat(std::string(33, 'M'), " / HTTP/1.1")),
       line(cat(std::string(32, 'M'), " / HTTP/1.1"))},
      {"two empty lines first", 400, cat("\r\n\r\n", get("/")), cat("\r\n", get("/"))},
      {"bare LF first", 400, cat("\n", get("/")), cat("\r\n", get("/"))},
      {"bare CR first", 400, cat("\r", get("/")), get("/")},
      {"empty line, then bare LF", 400, cat("\r\n\n", get("/")), cat("\r\n", get("/"))},
      {"TLS hello", 400, "\x16\x03\x01\x02"s, get("/")},
  };
  return rows;
}

const std::vector<Row>& host_rows() {
  static const std::vector<Row> rows = {
      {"no Host", 400, "GET / HTTP/1.1\r\nX: a\r\n\r\n", "GET / HTTP/1.0\r\nX: a\r\n\r\n"},
      {"no Host, absolute form", 400, "GET http://a/ HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.0\r\n\r\n"},
      {"two Hosts", 400, host("a\r\nHost: b"), host("a\r\nX-Host: b")},
      {"two equal Hosts", 400, host("a\r\nhost: a"), host("a\r\nhosts: a")},
      {"two Hosts in 1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"},
      {"dropped name is no Host", 400, "GET / HTTP/1.1\r\nHos_t: a\r\n\r\n", host("a")},
      {"empty Host", 400, host(""), host("a")},
      {"empty Host in 1.0", 400, "GET / HTTP/1.0\r\nHost:\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"},
      {"userinfo", 400, host("user@a.example"), host("a.example")},
      {"user and password", 400, host("u:p@a.example"), host("a.example:80")},
      {"fragment in Host", 400, host("a#b"), host("a-b")},
      {"query in Host", 400, host("a?b"), host("a.b")},
      {"slash in Host", 400, host("a/b"), host("a_b")},
      {"backslash in Host", 400, host("a\\b"), host("a~b")},
      {"space in Host", 400, host("a b"), host("a ")},
      {"comma list", 400, host("a, b"), host("a")},
      {"comma", 400, host("a,b"), host("ab")},
      {"percent-encoding in Host", 400, host("a%2eb"), host("a.b")},
      {"byte 0x80 in Host", 400, host("a\x80"), host("xn--a-ecp.ru")},
      {"empty label", 400, host("a..b"), host("a.b.")},
      {"dot first", 400, host(".a"), host("a.")},
      {"dot only", 400, host("."), host("1")},
      {"host of 256 bytes", 400, host(std::string(256, 'a')), host(std::string(255, 'a'))},
      {"port only", 400, host(":80"), host("a:80")},
      {"empty port", 400, host("a:"), host("a:1")},
      {"port with letters", 400, host("a:8o"), host("a:80")},
      {"port with sign", 400, host("a:+80"), host("a:080")},
      {"port 0", 400, host("a:0"), host("a:1")},
      {"port 65536", 400, host("a:65536"), host("a:65535")},
      {"port of six digits", 400, host("a:000080"), host("a:00080")},
      {"two ports", 400, host("a:80:80"), host("a:80")},
      {"IPv6 without brackets", 400, host("::1"), host("[::1]")},
      {"IPv6 not closed", 400, host("[::1"), host("[::1]:80")},
      {"IPv6 with rubbish behind", 400, host("[::1]x"), host("[::1]:8")},
      {"IPv6 with empty port", 400, host("[::1]:"), host("[2001:DB8::1]:443")},
      {"IPv6 with nine groups", 400, host("[1:2:3:4:5:6:7:8:9]"), host("[1:2:3:4:5:6:7:8]")},
      {"IPv6 with zone", 400, host("[fe80::1%25eth0]"), host("[fe80::1]")},
      {"IPvFuture", 400, host("[v1.a]"), host("[::ffff:10.0.0.1]")},
      {"IPv4 in brackets", 400, host("[10.0.0.1]"), host("10.0.0.1")},
      {"empty brackets", 400, host("[]"), host("[::]")},
      {"target differs from Host", 400, absolute("http://a/", "b"), absolute("http://a/", "A")},
      {"target has a port, Host none", 400, absolute("http://a:80/", "a"), absolute("http://a:80/", "a:80")},
      {"target has userinfo", 400, absolute("http://u@a/", "a"), absolute("http://a/u@a", "a")},
      {"target has no authority", 400, absolute("http:///x", "a"), absolute("http://a/x", "a")},
      {"target has an empty scheme", 400, absolute("://a/", "a"), absolute("HTTP://a/", "a")},
      {"target of another scheme", 400, absolute("ftp://a/", "a"), absolute("https://a/", "a")},
      {"target with one slash", 400, absolute("http:/a/", "a"), absolute("http://a", "a")},
      {"backslash ends the authority", 400, absolute("http://a\\/", "a"), absolute("http://a/\\", "a")},
  };
  return rows;
}

void check_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Outcome bad = parse_whole<RequestParser>(row.bad);
    EXPECT_EQ(bad.status, ParseStatus::refused) << printable(row.bad);
    EXPECT_TRUE(bad.text.starts_with(cat(row.status, " "))) << bad.text;
    EXPECT_GT(bad.text.size(), 4U);
    const Outcome good = parse_whole<RequestParser>(row.good);
    EXPECT_EQ(good.status, ParseStatus::complete) << good.text << " " << printable(row.good);
    EXPECT_EQ(good.head_bytes, row.good.size());
    EXPECT_EQ(first_cut_that_matters<RequestParser>(row.bad), std::string_view::npos);
    EXPECT_EQ(first_cut_that_matters<RequestParser>(row.good), std::string_view::npos);
  }
}

TEST(RequestParser, refuses_ambiguous_framing) { check_rows(framing_rows()); }
TEST(RequestParser, refuses_malformed_header_lines) { check_rows(line_rows()); }
TEST(RequestParser, refuses_malformed_request_lines) { check_rows(request_line_rows()); }
TEST(RequestParser, refuses_invalid_and_contradicting_hosts) { check_rows(host_rows()); }

TEST(RequestParser, refuses_every_control_byte_wherever_it_stands) {
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    SCOPED_TRACE(c);
    const bool value_byte = (c >= 0x20 && c != 0x7f) || c == '\t';
    for (const std::size_t pad : {0U, 15U, 16U, 31U, 63U, 200U}) {  // In each lane of the wide scans and in the tail.
      const std::string before = cat("X: ", std::string(pad, 'v'));
      EXPECT_EQ(parse_whole<RequestParser>(field(with_byte(before, byte, "tail"))).status == ParseStatus::complete,
                value_byte);
      const bool target_byte = c > 0x20 && c < 0x7f && c != '#';
      EXPECT_EQ(parse_whole<RequestParser>(get(with_byte(cat("/", std::string(pad, 't')), byte, "x"))).status ==
                    ParseStatus::complete,
                target_byte);
      const std::string name = with_byte(cat("N", std::string(pad, 'n')), byte, "n");
      EXPECT_EQ(parse_whole<RequestParser>(field(cat(name, ": v"))).status == ParseStatus::complete,
                is_token({&byte, 1}) || c == ':');
    }
  }
}

TEST(RequestParser, reads_all_parts_of_a_head) {
  const std::string text =
      "POST /a/b?x=1&y HTTP/1.1\r\nHost: API.example.:8080\r\nContent-Length: 12\r\nX-Empty:\r\nAuthorization:  Bearer "
      "t "
      "\r\nAuthorization: Bearer u\r\n\r\n";
  RequestParser parser;
  const std::string with_body = text + "hello";
  ASSERT_EQ(parser.parse(with_body), ParseStatus::complete);
  const RequestHead& head = parser.head();
  EXPECT_EQ(parser.head_bytes(), text.size());
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.method_text, "POST");
  EXPECT_EQ(head.target, "/a/b?x=1&y");
  EXPECT_EQ(head.raw_path, "/a/b");
  EXPECT_EQ(head.query, "x=1&y");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.authority, "API.example.:8080");
  EXPECT_EQ(head.host, "API.example");
  EXPECT_EQ(head.framing, BodyFraming::content_length);
  EXPECT_EQ(head.content_length, 12U);
  EXPECT_TRUE(head.keep_alive);
  ASSERT_EQ(head.headers.size(), 5U);  // A repeated Authorization is for others to judge: both are there.
  EXPECT_EQ(head.headers[3].value, "Bearer t");
  EXPECT_EQ(head.headers[3].raw, "Authorization:  Bearer t \r\n");
  EXPECT_EQ(head.headers[3].raw.data() + head.headers[3].raw.size(), head.headers[4].raw.data());
  EXPECT_EQ(head.find(Field::authorization)->value, "Bearer t");
  EXPECT_EQ(head.find("x-empty")->value, "");
  EXPECT_EQ(head.find("x-none"), nullptr);
}

TEST(RequestParser, tells_the_forms_of_a_target_apart) {
  const auto parsed = [](std::string_view text) {
    RequestParser parser;
    EXPECT_EQ(parser.parse(text), ParseStatus::complete) << text;
    const RequestHead& head = parser.head();
    return cat(head.raw_path, "|", head.query, "|", int{head.has_query}, "|", head.authority, "|", head.host);
  };
  EXPECT_EQ(parsed(absolute("/?", "h")), "/||1|h|h");
  EXPECT_EQ(parsed(absolute("/a?b?c", "h")), "/a|b?c|1|h|h");
  EXPECT_EQ(parsed(absolute("//x", "h")), "//x||0|h|h");
  EXPECT_EQ(parsed(absolute("http://H:1/a?b", "h:1")), "/a|b|1|H:1|H");
  EXPECT_EQ(parsed(absolute("http://h", "h")), "/||0|h|h");
  EXPECT_EQ(parsed(absolute("http://h?b=/c", "h")), "/|b=/c|1|h|h");
  EXPECT_EQ(parsed(absolute("http://h/?u=http://i/", "h")), "/|u=http://i/|1|h|h");
  EXPECT_EQ(parsed(absolute("http://[::1]:1/a", "[::1]:1")), "/a||0|[::1]:1|[::1]");
  EXPECT_EQ(parsed("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), "*||0|h|h");
  EXPECT_EQ(parsed("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"), "||0|h:443|h");
  EXPECT_EQ(parsed("GET / HTTP/1.0\r\n\r\n"), "/||0||");
  EXPECT_EQ(parsed("GET http://h./ HTTP/1.0\r\n\r\n"), "/||0|h.|h");
}

TEST(RequestParser, reads_connection_options) {
  struct Options {
    std::string_view version, fields;
    bool keep_alive, upgrade, others;
  };
  const Options rows[] = {
      {"1.1", "X: y", true, false, false},
      {"1.0", "X: y", false, false, false},
      {"1.1", "Connection: close", false, false, false},
      {"1.1", "Connection: Keep-Alive", true, false, false},
      {"1.0", "Connection: keep-alive", true, false, false},
      {"1.0", "Connection: keep-alive, close", false, false, false},
      {"1.1", "Connection: keep-alive\r\nConnection: CLOSE", false, false, false},
      {"1.1", "Connection:", true, false, false},
      {"1.1", "Connection: ,, ,", true, false, false},
      {"1.1", "Connection: closed", true, false, true},
      {"1.1", "Connection: X-Identity, close", false, false, true},
      {"1.1", "Connection: Upgrade\r\nUpgrade: websocket", true, true, false},
      {"1.1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket", true, true, false},
      {"1.1", "Connection: Upgrade", true, false, false},
      {"1.1", "Upgrade: websocket", true, false, false},
      {"1.0", "Connection: Upgrade\r\nUpgrade: websocket", false, false, false},
      {"1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x", true, true, true},
  };
  for (const Options& row : rows) {
    SCOPED_TRACE(row.fields);
    RequestParser parser;
    const std::string text = cat("GET / HTTP/", row.version, "\r\nHost: a\r\n", row.fields, "\r\n\r\n");
    ASSERT_EQ(parser.parse(text), ParseStatus::complete);
    EXPECT_EQ(parser.head().keep_alive, row.keep_alive);
    EXPECT_EQ(parser.head().upgrade, row.upgrade);
    EXPECT_EQ(parser.head().names_hop_fields, row.others);
  }
}

TEST(RequestParser, finds_names_in_all_connection_fields) {
  RequestParser parser;
  const std::string text = field("Connection: a , X-Txn\r\nConnection:\tclose");
  ASSERT_EQ(parser.parse(text), ParseStatus::complete);
  EXPECT_TRUE(parser.head().connection_lists("x-txn"));
  EXPECT_TRUE(parser.head().connection_lists("A"));
  EXPECT_TRUE(parser.head().connection_lists("close"));
  EXPECT_FALSE(parser.head().connection_lists("X-Tx"));
  EXPECT_FALSE(parser.head().connection_lists(""));
}

TEST(RequestParser, expects_a_continue_in_1_1_only) {
  const auto expects = [](std::string_view text) {
    RequestParser parser;
    EXPECT_EQ(parser.parse(text), ParseStatus::complete);
    return parser.head().expect_continue;
  };
  EXPECT_TRUE(expects(field("Expect: 100-continue\r\nContent-Length: 5")));
  EXPECT_FALSE(expects("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
  EXPECT_FALSE(expects(field("Content-Length: 5")));
}

TEST(RequestParser, drops_odd_names_and_lets_them_break_runs) {
  const std::string text = field("Content_Length: 9\r\nA: 1\r\nTransfer.Encoding: chunked\r\nX_Y: 2\r\nB: 3");
  RequestParser parser;
  ASSERT_EQ(parser.parse(text), ParseStatus::complete);
  const RequestHead& head = parser.head();
  EXPECT_EQ(head.framing, BodyFraming::none);
  ASSERT_EQ(head.headers.size(), 3U);
  EXPECT_EQ(head.headers[1].raw, "A: 1\r\n");
  EXPECT_EQ(head.headers[2].raw, "B: 3\r\n");
  EXPECT_NE(head.headers[1].raw.data() + head.headers[1].raw.size(), head.headers[2].raw.data());
}

TEST(RequestParser, keeps_underscores_when_allowed_but_never_gives_them_a_meaning) {
  HeadLimits limits;
  limits.underscores_allowed = true;
  const std::string text = field("Content_Length: 9\r\nTransfer.Encoding: chunked\r\nX_Y: 2");
  RequestParser parser(limits);
  ASSERT_EQ(parser.parse(text), ParseStatus::complete);
  const RequestHead& head = parser.head();
  EXPECT_EQ(head.framing, BodyFraming::none);
  ASSERT_EQ(head.headers.size(), 3U);  // Host and the two with '_'; '.' is dropped all the same.
  EXPECT_EQ(head.headers[1].name, "Content_Length");
  EXPECT_EQ(head.headers[1].field, Field::other);
  EXPECT_EQ(first_cut_that_matters<RequestParser>(text, limits), std::string_view::npos);
}

void expect_limit(const HeadLimits& limits, const std::string& at, const std::string& past, std::uint16_t status) {
  EXPECT_EQ(parse_whole<RequestParser>(at, limits).status, ParseStatus::complete);
  const Outcome refused = parse_whole<RequestParser>(past, limits);
  EXPECT_EQ(refused.status, ParseStatus::refused);
  EXPECT_TRUE(refused.text.starts_with(cat(status))) << refused.text;
  EXPECT_EQ(first_cut_that_matters<RequestParser>(at, limits), std::string_view::npos);
  EXPECT_EQ(first_cut_that_matters<RequestParser>(past, limits), std::string_view::npos);
}

TEST(RequestParser, limits_the_request_line) {
  HeadLimits limits;
  limits.line_bytes_max = 64;
  const auto of = [](std::size_t bytes) { return get(cat("/", std::string(bytes - 16, 'a'))); };
  expect_limit(limits, of(64), of(65), 414);
  // Without an end in sight, too: refused at the byte where no line end can help.
  EXPECT_EQ(parse_whole<RequestParser>(cat("GET /", std::string(58, 'a')), limits).status, ParseStatus::need_more);
  EXPECT_EQ(parse_whole<RequestParser>(cat("GET /", std::string(59, 'a')), limits).text, "414 line too long");
}

TEST(RequestParser, limits_header_lines) {
  HeadLimits limits;
  limits.line_bytes_max = 64;
  const auto of = [](std::size_t bytes) { return field(cat("X: ", std::string(bytes - 5, 'a'))); };
  expect_limit(limits, of(64), of(65), 431);
  const auto dropped = [](std::size_t bytes) { return field(cat("X_: ", std::string(bytes - 6, 'a'))); };
  expect_limit(limits, dropped(64), dropped(65), 431);
}

TEST(RequestParser, limits_the_head) {
  HeadLimits limits;
  const std::string at = field("X: a\r\nY: b");
  limits.head_bytes_max = static_cast<std::uint32_t>(at.size());
  expect_limit(limits, at, field("X: a\r\nY: bc"), 431);
  limits.head_bytes_max = 30;
  EXPECT_EQ(parse_whole<RequestParser>(get(std::string(40, '/')), limits).text, "431 head too large");
}

TEST(RequestParser, limits_the_number_of_fields) {
  const auto of = [](std::size_t count, std::string_view one) {
    std::string fields = "A: b";
    for (std::size_t i = 2; i < count; ++i) append(fields, "\r\n", one);
    return field(fields);
  };
  HeadLimits limits;
  limits.headers_max = 5;
  expect_limit(limits, of(5, "X: y"), of(6, "X: y"), 431);
  expect_limit(limits, of(5, "X_: y"), of(6, "X_: y"), 431);
  limits.headers_max = 100'000;  // More than there is room for: the room decides.
  EXPECT_EQ(parse_whole<RequestParser>(of(200, "X: y"), limits).status, ParseStatus::complete);
  EXPECT_EQ(parse_whole<RequestParser>(of(201, "X: y"), limits).text, "431 too many header fields");
}

TEST(RequestParser, gives_the_same_head_however_the_bytes_arrive) {
  const std::string text =
      cat("\r\nPUT http://h.example:81/a%20b?c HTTP/1.1\r\nHost: H.example:81\r\nX-Long: ", std::string(150, 'v'),
          "\r\nA_b: c\r\nConnection: close, x\r\nUpgrade: u\r\nExpect: ",
          "100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello");
  EXPECT_EQ(first_cut_that_matters<RequestParser>(text), std::string_view::npos);
  for (std::size_t cut = 0; cut < text.size(); cut += 7) {
    for (std::size_t second = cut; second < text.size(); second += 11) {
      ASSERT_EQ(parse_in_pieces<RequestParser>(text, {cut, second}), parse_whole<RequestParser>(text)) << cut;
    }
  }
}

TEST(RequestParser, renews_its_views_when_the_buffer_moved_after_completion) {
  const std::string text = field("X: y");
  RequestParser parser;
  auto first = std::make_unique<std::string>(text);
  ASSERT_EQ(parser.parse(*first), ParseStatus::complete);
  const std::string second = text + "body";
  first.reset();
  ASSERT_EQ(parser.parse(second), ParseStatus::complete);
  EXPECT_EQ(parser.head().headers[1].name.data(), second.data() + text.find("X: y"));
  EXPECT_EQ(parser.head_bytes(), text.size());
}

TEST(RequestParser, starts_afresh_after_reset) {
  RequestParser parser;
  ASSERT_EQ(parser.parse(field("Content-Length: x")), ParseStatus::refused);
  EXPECT_EQ(parser.parse(get("/")), ParseStatus::refused);
  parser.reset();
  const std::string chunked = field("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close, x");
  ASSERT_EQ(parser.parse(chunked), ParseStatus::complete);
  parser.reset();
  const std::string plain = "\r\n" + get("/");
  ASSERT_EQ(parser.parse(plain), ParseStatus::complete);
  EXPECT_EQ(Outcome({ParseStatus::complete, summary(parser.head()), parser.head_bytes()}),
            parse_whole<RequestParser>(plain));
}

TEST(RequestParser, shows_method_and_target_of_a_refused_request) {
  const std::string text = "DELETE /a?b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
  RequestParser parser;
  ASSERT_EQ(parser.parse(text), ParseStatus::refused);
  EXPECT_EQ(parser.refusal().reason, "two Host fields");
  EXPECT_EQ(parser.head().method_text, "DELETE");
  EXPECT_EQ(parser.head().target, "/a?b");
  EXPECT_TRUE(parser.head().headers.empty());
}

TEST(RequestParser, leaves_the_next_message_alone) {
  const std::string text = get("/one") + get("/two");
  RequestParser parser;
  ASSERT_EQ(parser.parse(text), ParseStatus::complete);
  EXPECT_EQ(parser.head_bytes(), get("/one").size());
  const std::string_view rest = std::string_view(text).substr(parser.head_bytes());
  parser.reset();
  ASSERT_EQ(parser.parse(rest), ParseStatus::complete);
  EXPECT_EQ(parser.head().raw_path, "/two");
}

TEST(RequestParser, says_what_was_wrong) {
  const std::pair<std::string, std::string_view> rows[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bare LF"},
      {"GET / HTTP/1.1\n", "400 bare LF"},
      {field("X: a\rb"), "400 bare CR"},
      {field("X: a\0"s), "400 NUL in a header line"},
      {field("X: a\r\n b"), "400 folded header line"},
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 white space before the first field"},
      {field("X : a"), "400 white space before the colon"},
      {field("Content-Length: 5\r\nTransfer-Encoding: chunked"), "400 Content-Length together with Transfer-Encoding"},
      {"GET /\r\n", "400 request line without a version"},
      {get("/a#b"), "400 fragment in the target"},
      {host("a b"), "400 invalid Host"},
      {absolute("http://a/", "b"), "400 Host differs from the target"},
  };
  for (const auto& [text, reason] : rows) EXPECT_EQ(parse_whole<RequestParser>(text).text, reason);
}

TEST(RequestParser, stays_a_modest_object) { EXPECT_LE(sizeof(RequestParser), 17'000U); }

}  // namespace
}  // namespace keepgate::http

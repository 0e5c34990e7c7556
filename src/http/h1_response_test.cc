#include <gtest/gtest.h>

#include "http/h1_test_support.h"

namespace keepgate::http {
namespace {

using namespace test;  // NOLINT: this file's own support.

std::string with_status_line(std::string_view status_line) { return cat(status_line, "\r\nContent-Length: 0\r\n\r\n"); }
std::string with_answer_fields(std::string_view fields) { return cat("HTTP/1.1 200 OK\r\n", fields, "\r\n\r\n"); }
std::string old_field(std::string_view fields) { return cat("HTTP/1.0 200 OK\r\n", fields, "\r\n\r\n"); }

const std::vector<Row>& status_line_rows() {
  static const std::vector<Row> rows = {
      {"lower-case version", 502, with_status_line("http/1.1 200 OK"), with_status_line("HTTP/1.1 200 OK")},
      {"version 0.9", 502, with_status_line("HTTP/0.9 200 OK"), with_status_line("HTTP/1.0 200 OK")},
      {"version 1.2", 502, with_status_line("HTTP/1.2 200 OK"), with_status_line("HTTP/1.1 200 OK")},
      {"version 2.0", 502, with_status_line("HTTP/2.0 200 OK"), with_status_line("HTTP/1.1 200 OK")},
      {"version 2", 502, with_status_line("HTTP/2 200 OK"), with_status_line("HTTP/1.1 200")},
      {"another protocol", 502, with_status_line("ICY 200 OK"), with_status_line("HTTP/1.1 200 ICY")},
      {"two spaces before the code", 502, with_status_line("HTTP/1.1  200 OK"), with_status_line("HTTP/1.1 200  OK")},
      {"tab before the code", 502, with_status_line("HTTP/1.1\t200 OK"), with_status_line("HTTP/1.1 200 \tOK")},
      {"no space before the code", 502, with_status_line("HTTP/1.1200 OK"), with_status_line("HTTP/1.1 200 ")},
      {"space at the start", 502, with_status_line(" HTTP/1.1 200 OK"), with_status_line("HTTP/1.1 200 OK ")},
      {"empty line at the start", 502, cat("\r\n", with_status_line("HTTP/1.1 200 OK")),
       with_status_line("HTTP/1.1 200 OK")},
      {"two digits", 502, with_status_line("HTTP/1.1 20 OK"), with_status_line("HTTP/1.1 299 OK")},
      {"four digits", 502, with_status_line("HTTP/1.1 2000 OK"), with_status_line("HTTP/1.1 200 0 OK")},
      {"signed code", 502, with_status_line("HTTP/1.1 +20 OK"), with_status_line("HTTP/1.1 220 OK")},
      {"letters as code", 502, with_status_line("HTTP/1.1 abc OK"), with_status_line("HTTP/1.1 200 abc")},
      {"code 099", 502, with_status_line("HTTP/1.1 099 OK"), with_status_line("HTTP/1.1 999 OK")},
      {"code 000", 502, with_status_line("HTTP/1.1 000 OK"), with_status_line("HTTP/1.1 600 OK")},
      {"code joined to the reason", 502, with_status_line("HTTP/1.1 200OK"), with_status_line("HTTP/1.1 200 OK")},
      {"tab before the reason", 502, with_status_line("HTTP/1.1 200\tOK"), with_status_line("HTTP/1.1 200 OK\t!")},
      {"no code", 502, with_status_line("HTTP/1.1"), with_status_line("HTTP/1.1 404")},
      {"bare LF", 502, "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", with_status_line("HTTP/1.1 200 OK")},
      {"bare CR in the reason", 502, with_status_line("HTTP/1.1 200 O\rK"), with_status_line("HTTP/1.1 200 O K")},
      {"bare CR at the end", 502, with_status_line("HTTP/1.1 200 OK\r"), with_status_line("HTTP/1.1 200 OK")},
      {"NUL in the reason", 502, with_status_line("HTTP/1.1 200 O\0K"s), with_status_line("HTTP/1.1 200 O0K")},
      {"control byte in the reason", 502, with_status_line("HTTP/1.1 200 \x1b[31m"),
       with_status_line("HTTP/1.1 200 \xc3\xa9")},
      {"headers only", 502, "Content-Length: 0\r\n\r\n", with_status_line("HTTP/1.1 200 OK")},
      {"a page without a head", 502, "<html>", with_status_line("HTTP/1.1 200 <html>")},
  };
  return rows;
}

const std::vector<Row>& field_rows() {
  static const std::vector<Row> rows = {
      {"length and chunked", 502, with_answer_fields("Content-Length: 5\r\nTransfer-Encoding: chunked"),
       with_answer_fields("Content-Length: 5")},
      {"chunked and length", 502, with_answer_fields("Transfer-Encoding: chunked\r\nContent-Length: 5"),
       with_answer_fields("Transfer-Encoding: chunked")},
      {"two equal lengths", 502, with_answer_fields("Content-Length: 5\r\nContent-Length: 5"),
       with_answer_fields("Content-Length: 5\r\nX: 5")},
      {"length list", 502, with_answer_fields("Content-Length: 5, 5"), with_answer_fields("Content-Length: 55")},
      {"empty length", 502, with_answer_fields("Content-Length:"), with_answer_fields("Content-Length: 0")},
      {"signed length", 502, with_answer_fields("Content-Length: +5"), with_answer_fields("Content-Length: 5")},
      {"hexadecimal length", 502, with_answer_fields("Content-Length: 0x5"), with_answer_fields("Content-Length: 05")},
      {"length 2^63", 502, with_answer_fields("Content-Length: 9223372036854775808"),
       with_answer_fields("Content-Length: 9223372036854775807")},
      {"length 2^64", 502, with_answer_fields("Content-Length: 18446744073709551616"),
       with_answer_fields("Content-Length: 1844674407370955161")},
      {"unknown coding", 502, with_answer_fields("Transfer-Encoding: gzip"),
       with_answer_fields("Content-Encoding: gzip")},
      {"coding list", 502, with_answer_fields("Transfer-Encoding: gzip, chunked"),
       with_answer_fields("X: gzip, chunked")},
      {"chunked and identity", 502, with_answer_fields("Transfer-Encoding: chunked, identity"),
       with_answer_fields("X: chunked, identity")},
      {"two codings", 502, with_answer_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       with_answer_fields("Transfer-Encoding: chunked")},
      {"empty coding", 502, with_answer_fields("Transfer-Encoding:"), with_answer_fields("X:")},
      {"vertical tab before chunked", 502,
       with_answer_fields("Transfer-Encoding: \x0b"
                          "chunked"),
       with_answer_fields("X: chunked")},
      {"tab after chunked", 502, with_answer_fields("Transfer-Encoding: chunked\t"),
       with_answer_fields("X: chunked\t")},
      {"coding in 1.0", 502, old_field("Transfer-Encoding: chunked"), old_field("Content-Length: 5")},
      {"coding with 204", 502, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"coding with 101", 502, "HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"bare LF", 502, with_answer_fields("X: a\nY: b"), with_answer_fields("X: a\r\nY: b")},
      {"bare LF at the end", 502, "HTTP/1.1 200 OK\r\nX: a\r\n\n", with_answer_fields("X: a")},
      {"bare CR", 502, with_answer_fields("X: a\rb"), with_answer_fields("X: ab")},
      {"NUL", 502, with_answer_fields("X: a\0b"s), with_answer_fields("X: ab")},
      {"control byte", 502, with_answer_fields("X: a\x08"), with_answer_fields("X: a")},
      {"folded line", 502, with_answer_fields("X: a\r\n b"), with_answer_fields("X: a\r\nb: ")},
      {"space before the first field", 502, with_answer_fields(" X: a"), with_answer_fields("X:  a")},
      {"space before the colon", 502, with_answer_fields("X : a"), with_answer_fields("X: :a")},
      {"empty name", 502, with_answer_fields(": a"), with_answer_fields("a:")},
      {"no colon", 502, with_answer_fields("abc"), with_answer_fields("abc:")},
      {"byte 0x80 in a name", 502, with_answer_fields("X\x80: a"), with_answer_fields("X: \x80")},
      {"brace in a name", 502, with_answer_fields("{X}: a"), with_answer_fields("X: {a}")},
      {"invalid Connection option", 502, with_answer_fields("Connection: clo se"),
       with_answer_fields("Connection: close")},
  };
  return rows;
}

void check_response_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Outcome bad = parse_whole<ResponseParser>(row.bad);
    EXPECT_EQ(bad.status, ParseStatus::refused) << printable(row.bad);
    EXPECT_TRUE(bad.text.starts_with("502 ")) << bad.text;
    EXPECT_GT(bad.text.size(), 4U);
    const Outcome good = parse_whole<ResponseParser>(row.good);
    EXPECT_EQ(good.status, ParseStatus::complete) << good.text << " " << printable(row.good);
    EXPECT_EQ(good.head_bytes, row.good.size());
    EXPECT_EQ(first_cut_that_matters<ResponseParser>(row.bad), std::string_view::npos);
    EXPECT_EQ(first_cut_that_matters<ResponseParser>(row.good), std::string_view::npos);
  }
}

TEST(ResponseParser, refuses_malformed_status_lines) { check_response_rows(status_line_rows()); }
TEST(ResponseParser, refuses_malformed_fields_and_framing) { check_response_rows(field_rows()); }

TEST(ResponseParser, decides_framing_by_method_status_and_fields) {
  struct Case {
    std::string_view head;
    Method method;
    BodyFraming framing;
    bool has_length, keep_alive;
    std::uint64_t length;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", Method::get, BodyFraming::content_length, true, true, 7},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Method::get, BodyFraming::content_length, true, true, 0},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", Method::head, BodyFraming::none, true, true, 7},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n", Method::get, BodyFraming::none, true, true, 7},
      {"HTTP/1.1 204 No Content\r\n", Method::get, BodyFraming::none, false, true, 0},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", Method::get, BodyFraming::none, true, true, 0},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n", Method::get, BodyFraming::none, true, false, 7},
      {"HTTP/1.1 100 Continue\r\n", Method::post, BodyFraming::none, false, true, 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Method::get, BodyFraming::chunked, false, true, 0},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Method::head, BodyFraming::none, false, true, 0},
      {"HTTP/1.1 200 OK\r\n", Method::get, BodyFraming::until_close, false, false, 0},
      {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", Method::get, BodyFraming::until_close, false, false, 0},
      {"HTTP/1.1 200 OK\r\n", Method::head, BodyFraming::none, false, true, 0},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n", Method::get, BodyFraming::content_length, true,
       false, 7},
      {"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n", Method::get, BodyFraming::content_length, true, false, 7},
      {"HTTP/1.0 200 OK\r\nContent-Length: 7\r\nConnection: Keep-Alive\r\n", Method::get, BodyFraming::content_length,
       true, true, 7},
      {"HTTP/1.1 200 OK\r\n", Method::connect, BodyFraming::none, false, true, 0},
      {"HTTP/1.1 403 No\r\nContent-Length: 7\r\n", Method::connect, BodyFraming::content_length, true, true, 7},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.head);
    ResponseParser parser;
    const std::string text = cat(one.head, "\r\n");
    ASSERT_EQ(parser.parse(text, one.method), ParseStatus::complete);
    EXPECT_EQ(parser.head().framing, one.framing);
    EXPECT_EQ(parser.head().has_content_length, one.has_length);
    EXPECT_EQ(parser.head().keep_alive, one.keep_alive);
    EXPECT_EQ(parser.head().content_length, one.length);
  }
}

TEST(ResponseParser, reads_status_and_reason) {
  const auto parsed = [](std::string_view text) {
    ResponseParser parser;
    EXPECT_EQ(parser.parse(text, Method::get), ParseStatus::complete) << text;
    return cat(parser.head().status, "|", parser.head().reason, "|", int{parser.head().version_minor});
  };
  EXPECT_EQ(parsed(with_status_line("HTTP/1.1 404 Not Found")), "404|Not Found|1");
  EXPECT_EQ(parsed(with_status_line("HTTP/1.0 100 ")), "100||0");
  EXPECT_EQ(parsed(with_status_line("HTTP/1.1 999")), "999||1");
}

TEST(ResponseParser, keeps_every_token_as_a_name) {
  const std::string text =
      with_answer_fields("x_y: 1\r\nContent_Length: 5\r\nx.z: 2\r\nContent-Length: 0\r\nConnection: x_y");
  ResponseParser parser;
  ASSERT_EQ(parser.parse(text, Method::get), ParseStatus::complete);
  EXPECT_EQ(parser.head().headers.size(), 5U);
  EXPECT_EQ(parser.head().content_length, 0U);
  EXPECT_EQ(parser.head().find("X_Y")->value, "1");
  EXPECT_EQ(parser.head().find(Field::location), nullptr);
  EXPECT_TRUE(parser.head().names_hop_fields);
  EXPECT_TRUE(parser.head().connection_lists("x_y"));
}

TEST(ResponseParser, does_not_mind_request_fields) {
  EXPECT_EQ(parse_whole<ResponseParser>(with_answer_fields("Host: a\r\nHost: b\r\nExpect: x\r\nExpect: y")).status,
            ParseStatus::complete);
}

TEST(ResponseParser, limits_lines_head_and_count) {
  HeadLimits limits;
  limits.line_bytes_max = 32;
  const auto value = [](std::size_t bytes) { return with_answer_fields(cat("X: ", std::string(bytes - 5, 'a'))); };
  EXPECT_EQ(parse_whole<ResponseParser>(value(32), limits).status, ParseStatus::complete);
  EXPECT_EQ(parse_whole<ResponseParser>(value(33), limits).text, "502 line too long");
  const auto reason = [](std::size_t bytes) {
    return with_status_line(cat("HTTP/1.1 200 ", std::string(bytes - 15, 'a')));
  };
  EXPECT_EQ(parse_whole<ResponseParser>(reason(32), limits).status, ParseStatus::complete);
  EXPECT_EQ(parse_whole<ResponseParser>(reason(33), limits).text, "502 line too long");
  limits = {};
  limits.head_bytes_max = static_cast<std::uint32_t>(with_answer_fields("X: a").size());
  EXPECT_EQ(parse_whole<ResponseParser>(with_answer_fields("X: a"), limits).status, ParseStatus::complete);
  EXPECT_EQ(parse_whole<ResponseParser>(with_answer_fields("X: ab"), limits).text, "502 head too large");
  limits = {};
  limits.headers_max = 1;
  EXPECT_EQ(parse_whole<ResponseParser>(with_answer_fields("X: a"), limits).status, ParseStatus::complete);
  EXPECT_EQ(parse_whole<ResponseParser>(with_answer_fields("X: a\r\nY: b"), limits).text, "502 too many header fields");
}

TEST(ResponseParser, starts_afresh_after_reset) {
  ResponseParser parser;
  ASSERT_EQ(parser.parse(with_status_line("HTTP/1.1 1 x"), Method::get), ParseStatus::refused);
  EXPECT_EQ(parser.parse(with_status_line("HTTP/1.1 200 OK"), Method::get), ParseStatus::refused);
  parser.reset();
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  ASSERT_EQ(parser.parse(interim, Method::get), ParseStatus::complete);
  EXPECT_EQ(parser.head_bytes(), interim.size());
  parser.reset();
  const std::string final = with_status_line("HTTP/1.1 200 OK");
  ASSERT_EQ(parser.parse(final, Method::get), ParseStatus::complete);
  EXPECT_EQ(Outcome({ParseStatus::complete, summary(parser.head()), parser.head_bytes()}),
            parse_whole<ResponseParser>(final));
}

}  // namespace
}  // namespace keepgate::http

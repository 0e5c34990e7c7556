#include "http/uri.h"

#include <gtest/gtest.h>

namespace keepgate::http {
namespace {

using namespace std::string_literals;  // NOLINT: "\0"s.

constexpr auto bit(Ambiguity one) { return static_cast<std::uint16_t>(one); }
template <typename... More>
constexpr std::uint16_t bits(Ambiguity one, More... more) {
  return static_cast<std::uint16_t>((bit(one) | ... | bit(more)));
}

TEST(Canonicalize, gives_one_spelling_and_names_what_was_ambiguous) {
  using enum Ambiguity;
  struct Row {
    std::string raw, canonical;
    std::uint16_t ambiguities;
  };
  const Row rows[] = {
      {"/", "/", 0},
      {"/a/b", "/a/b", 0},
      {"/a/b/", "/a/b/", 0},
      {"/.well-known/x", "/.well-known/x", 0},
      {"/a.b/c..d/..e", "/a.b/c..d/..e", 0},
      {"/a%20b", "/a b", 0},
      {"/%61%7E", "/a~", 0},
      {"/caf%C3%a9", "/caf\xc3\xa9", 0},
      {"/%f0%9f%98%80", "/\xf0\x9f\x98\x80", 0},
      {"/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,=", 0},
      {"/a/./b", "/a/b", 0},
      {"/a/../b", "/b", 0},
      {"/a/b/..", "/a/", 0},
      {"/a/b/.", "/a/b/", 0},
      {"/.", "/", 0},
      {"/a/..", "/", 0},
      {"/a/b/../../c", "/c", 0},
      {"/a/%2e%2e/b", "/b", bits(encoded_dot_segment)},
      {"/a/.%2E/b", "/b", bits(encoded_dot_segment)},
      {"/a/%2e/b", "/a/b", bits(encoded_dot_segment)},
      {"/a/b%2ec", "/a/b.c", 0},
      {"/a/b/%2e%2e", "/a/", bits(encoded_dot_segment)},
      {"/a%2fb", "/a/b", bits(encoded_slash)},
      {"/a/..%2fb", "/b", bits(encoded_slash)},
      {"/a/%2e%2e%2fb", "/b", bits(encoded_slash, encoded_dot_segment)},
      {"/a%2F%2fb", "/a/b", bits(encoded_slash, double_slash)},
      {"/a\\b", "/a\\b", bits(backslash)},
      {"/a%5c..", "/a\\..", bits(backslash, trailing_dot_or_space)},
      {"/%252e%252e/a", "/%2e%2e/a", bits(double_encoding)},
      {"/100%25", "/100%", bits(double_encoding)},
      {"/a;b", "/a;b", bits(path_parameter)},
      {"/a%3Bb", "/a;b", bits(path_parameter)},
      {"/a/..;/b", "/a/..;/b", bits(path_parameter)},
      {"//a", "/a", bits(double_slash)},
      {"/a//b", "/a/b", bits(double_slash)},
      {"/a///", "/a/", bits(double_slash)},
      {"/a//../b", "/b", bits(double_slash)},
      {"/a/.//b", "/a/b", bits(double_slash)},
      {"/a%01", "/a\x01", bits(control_byte)},
      {"/a%0d%0ab", "/a\r\nb", bits(control_byte)},
      {"/a%7f", "/a\x7f", bits(control_byte)},
      {"/a%09", "/a\t", bits(control_byte, trailing_dot_or_space)},
      {"/%c0%af", "/\xc0\xaf", bits(invalid_utf8)},
      {"/%c0%ae%c0%ae/a", "/\xc0\xae\xc0\xae/a", bits(invalid_utf8)},
      {"/%ed%a0%80", "/\xed\xa0\x80", bits(invalid_utf8)},
      {"/%f4%90%80%80", "/\xf4\x90\x80\x80", bits(invalid_utf8)},
      {"/%e2%82", "/\xe2\x82", bits(invalid_utf8)},
      {"/%80", "/\x80", bits(invalid_utf8)},
      {"/%e2%82/%ac", "/\xe2\x82/\xac", bits(invalid_utf8)},
      {"/%ff/../a", "/a", bits(invalid_utf8)},
      {"/a%3fb", "/a?b", bits(question_or_hash)},
      {"/a%23b", "/a#b", bits(question_or_hash)},
      {"/a./b", "/a./b", bits(trailing_dot_or_space)},
      {"/a%2e", "/a.", bits(trailing_dot_or_space)},
      {"/a%20/b", "/a /b", bits(trailing_dot_or_space)},
      {"/.../b", "/.../b", bits(trailing_dot_or_space)},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.raw);
    Arena arena;
    const Canonicalized result = canonicalize({row.raw}, true, arena);
    ASSERT_TRUE(result.valid) << result.reason;
    EXPECT_EQ(result.path.text, row.canonical);
    EXPECT_EQ(result.ambiguities, row.ambiguities) << describe_ambiguities(result.ambiguities);
    // One spelling stays one spelling.
    Arena second;
    const Canonicalized again = canonicalize({encode_path(result.path.text, second)}, true, second);
    ASSERT_TRUE(again.valid);
    EXPECT_EQ(again.path.text, row.canonical);
  }
}

TEST(Canonicalize, refuses_invalid_paths) {
  struct Row {
    std::string bad, good;
  };
  const Row rows[] = {
      {"", "/"},
      {"a", "/a"},
      {"*", "/*"},
      {"%2fa", "/%2fa"},
      {"/%", "/%25"},
      {"/%2", "/%20"},
      {"/%2g", "/%2f"},
      {"/%g2", "/%a2"},
      {"/%u002e", "/%75002e"},
      {"/a%", "/a%41"},
      {"/%%41", "/%25%41"},
      {"/%00", "/%01"},
      {"/a%00b", "/a%30b"},
      {"/a\0b"s, "/a0b"},
      {"/..", "/."},
      {"/../", "/./"},
      {"/../x", "/.../x"},
      {"/a/../../x", "/a/../x"},
      {"/a/../..", "/a/.."},
      {"/%2e%2e", "/%2e"},
      {"/%2e%2e%2fetc", "/a/%2e%2e%2fetc"},
      {"/./../x", "/a/./../x"},
      {"//../..", "/a/b/../.."},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.bad);
    Arena arena;
    const Canonicalized bad = canonicalize({row.bad}, true, arena);
    EXPECT_FALSE(bad.valid);
    EXPECT_FALSE(bad.reason.empty());
    EXPECT_TRUE(bad.path.text.empty());
    EXPECT_TRUE(canonicalize({row.good}, true, arena).valid) << row.good;
  }
}

TEST(Canonicalize, keeps_slashes_when_asked_but_still_flags_them) {
  const std::pair<std::string, std::string> rows[] = {
      {"//a", "//a"},          {"/a//b", "/a//b"}, {"/a//../b", "/a/b"},
      {"/a/b/..//c", "/a//c"}, {"//..", "/"},      {"/a//", "/a//"},
  };
  for (const auto& [raw, canonical] : rows) {
    SCOPED_TRACE(raw);
    Arena arena;
    const Canonicalized result = canonicalize({raw}, false, arena);
    ASSERT_TRUE(result.valid);
    EXPECT_EQ(result.path.text, canonical);
    EXPECT_EQ(result.ambiguities, bit(Ambiguity::double_slash));
  }
}

TEST(Canonicalize, returns_the_raw_path_itself_where_nothing_changes) {
  for (const std::string raw : {"/api/items/42", "/.well-known/x", "/a;b", "/a.", "/"}) {
    Arena arena;
    EXPECT_EQ(canonicalize({raw}, true, arena).path.text.data(), raw.data());
  }
}

TEST(Canonicalize, takes_linear_time_and_space_for_many_parents) {
  std::string raw = "/";
  for (int i = 0; i < 20'000; ++i) raw += "a/";
  for (int i = 0; i < 20'000; ++i) raw += "../";
  Arena arena;
  EXPECT_EQ(canonicalize({raw}, true, arena).path.text, "/");
  EXPECT_FALSE(canonicalize({raw + "../"}, true, arena).valid);
}

TEST(DescribeAmbiguities, names_each) {
  EXPECT_EQ(describe_ambiguities(0), "");
  EXPECT_EQ(describe_ambiguities(bits(Ambiguity::encoded_slash, Ambiguity::backslash)), "encoded slash, backslash");
  EXPECT_EQ(describe_ambiguities(bit(Ambiguity::trailing_dot_or_space)), "trailing dot or space");
}

TEST(EncodePath, encodes_what_cannot_stand_in_a_request_line) {
  Arena arena;
  EXPECT_EQ(encode_path("/a b%?#\"<>\\^`{|}\x01\x7f\xc3\xa9", arena),
            "/a%20b%25%3F%23%22%3C%3E%5C%5E%60%7B%7C%7D%01%7F%C3%A9");
  const std::string_view plain = "/a:b@c;d!$&'()*+,=-._~[]";
  EXPECT_EQ(encode_path(plain, arena).data(), plain.data());
}

TEST(QueryArgument, finds_the_first_of_a_name) {
  EXPECT_EQ(query_argument("a=1&b=2", "b"), "2");
  EXPECT_EQ(query_argument("a=1&A=2", "A"), "1");
  EXPECT_EQ(query_argument("ab=1&b=2", "b"), "2");
  EXPECT_EQ(query_argument("b&b=2", "b"), "2");
  EXPECT_EQ(query_argument("b=", "b"), "");
  EXPECT_EQ(query_argument("b=x=y", "b"), "x=y");
  EXPECT_EQ(query_argument("b=%41", "b"), "%41");
  EXPECT_EQ(query_argument("", "b"), "");
  EXPECT_EQ(query_argument("=1", ""), "");
  EXPECT_EQ(query_argument("a=b=2", "b"), "");
}

TEST(CookieValue, reads_cookies_as_nginx_does) {
  EXPECT_EQ(cookie_value("a=1; b=2", "b"), "2");
  EXPECT_EQ(cookie_value("a=1;b=2", "b"), "2");
  EXPECT_EQ(cookie_value("a=1, b=2; c=3", "b"), "2");
  EXPECT_EQ(cookie_value("b=1,2; c=3", "b"), "1,2");
  EXPECT_EQ(cookie_value("B = x", "b"), "x");
  EXPECT_EQ(cookie_value("ab=1; b=2", "b"), "2");
  EXPECT_EQ(cookie_value("bc=1; b=2", "b"), "2");
  EXPECT_EQ(cookie_value("a=b=1", "b"), "");
  EXPECT_EQ(cookie_value("b", "b"), "");
  EXPECT_EQ(cookie_value("", "b"), "");
  EXPECT_EQ(cookie_value("b=1", ""), "");
}

}  // namespace
}  // namespace keepgate::http

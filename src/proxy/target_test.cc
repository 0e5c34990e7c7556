#include "proxy/target.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace keepgate::proxy {
namespace {

using namespace std::string_literals;

TEST(Target, is_taken_apart_by_a_strict_grammar) {
  std::string why;
  const auto parts = split_target("HTTPS://a.test:8443/x?y", why);
  ASSERT_TRUE(parts.has_value()) << why;
  EXPECT_TRUE(parts->tls);
  EXPECT_EQ(parts->host, "a.test");
  EXPECT_EQ(parts->port, 8443);
  EXPECT_EQ(parts->authority, "a.test:8443");
  EXPECT_EQ(parts->uri, "/x?y");
  const auto six = split_target("http://[::1]?q", why);
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->host, "[::1]");
  EXPECT_EQ(six->port, std::nullopt);
  EXPECT_EQ(six->uri, "?q");
}

TEST(Target, that_is_not_http_to_a_host_is_refused) {
  for (const std::string& text : {""s,
                                  "a.test"s,
                                  "//a.test"s,
                                  "ftp://a.test"s,
                                  "file:///etc/passwd"s,
                                  "http:/a"s,
                                  "http://"s,
                                  "http:///x"s,
                                  "http://user@a.test"s,
                                  "http://user:secret@a.test"s,
                                  "http://a.test:"s,
                                  "http://a.test:0"s,
                                  "http://a.test:65536"s,
                                  "http://a.test:8 0"s,
                                  "http://a b"s,
                                  "http://a\r\nb"s,
                                  "http://a\0b"s,
                                  "http://a%00b"s,
                                  "http://a\\b"s,
                                  "http://unix:/tmp/x"s,
                                  "http://[::1"s,
                                  "http://::1"s,
                                  "http://a..b"s,
                                  "http://\xc3\xa4"s,
                                  " http://a"s}) {
    std::string why;
    EXPECT_FALSE(split_target(text, why).has_value()) << printable(text);
    EXPECT_NE(why, "") << printable(text);
  }
}

std::string sent(std::string_view uri) {
  std::string out;
  return append_target_uri(uri, out) ? out : "refused";
}

TEST(Target, sends_a_uri_that_is_one) {
  EXPECT_EQ(sent(""), "");
  EXPECT_EQ(sent("/a%20b?c=d"), "/a%20b?c=d");
  EXPECT_EQ(sent("?a"), "/?a");
  EXPECT_EQ(sent("/a b\xc3\xa4"), "/a%20b%c3%a4");
}

TEST(Target, sends_no_uri_that_is_none) {
  for (const std::string& uri :
       {"a"s, "@evil"s, ":80/"s, "/a\nb"s, "/a\rb"s, "/a\0b"s, "/a\x7f"s, "/a#b"s, "\\a"s, " /"s}) {
    EXPECT_EQ(sent(uri), "refused") << printable(uri);
  }
}

}  // namespace
}  // namespace keepgate::proxy

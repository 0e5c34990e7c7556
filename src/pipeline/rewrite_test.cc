#include "pipeline/rewrite.h"

#include <gtest/gtest.h>

#include <string>

#include "pipeline/content_type.h"

namespace keepgate::pipeline {
namespace {

TEST(Rewrite, a_query_is_one_line_of_visible_ascii) {
  Arena arena;
  EXPECT_EQ(encode_query("a=1&b=%20+?/;", arena), "a=1&b=%20+?/;");
  EXPECT_EQ(encode_query("", arena), "");
  EXPECT_EQ(encode_query(std::string("a b\r\nX: y\x00\x7f\xc3\xa4#z", 15), arena), "a%20b%0D%0AX:%20y%00%7F%C3%A4%23z");
}

TEST(ContentType, is_that_of_the_extension_as_nginx_finds_it) {
  LocationConfig location;
  location.default_type = "text/x";
  EXPECT_EQ(content_type_of(location, "/a.html"), "text/html");
  EXPECT_EQ(content_type_of(location, "/a.JPG"), "image/jpeg");
  for (const std::string_view path : {"/a", "/a.", "/.html", "/a.html/b", "/a.css", ""}) {
    EXPECT_EQ(content_type_of(location, path), "text/x") << path;
  }
  location.types = std::make_shared<const ContentTypes>(ContentTypes{{"css", "text/css"}});
  EXPECT_EQ(content_type_of(location, "/a.Css"), "text/css");
  EXPECT_EQ(content_type_of(location, "/a.html"), "text/x") << "who writes types has no others";
}

TEST(ContentType, names_a_charset_for_texts_only) {
  Arena arena;
  LocationConfig location;
  EXPECT_EQ(with_charset(location, "text/html", arena), "text/html");
  location.charset = "utf-8";
  EXPECT_EQ(with_charset(location, "text/html", arena), "text/html; charset=utf-8");
  EXPECT_EQ(with_charset(location, "application/json", arena), "application/json");
  EXPECT_EQ(with_charset(location, "text/plain; charset=ascii", arena), "text/plain; charset=ascii");
}

TEST(Methods, nginx_s_are_known_in_capitals) {
  EXPECT_NE(method_bit("GET"), 0U);
  EXPECT_NE(method_bit("GET"), method_bit("HEAD"));
  EXPECT_NE(method_bit("PATCH"), 0U);
  for (const std::string_view other : {"", "get", "GETS", "TRACE", "CONNECT", "ODD"}) EXPECT_EQ(method_bit(other), 0U);
}

}  // namespace
}  // namespace keepgate::pipeline

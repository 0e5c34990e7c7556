#include "policy/paths.h"

#include <gtest/gtest.h>

#include "policy/codes.h"
#include "policy/compiled_rules.h"
#include "policy/reference.h"

namespace keepgate::policy {
namespace {

TEST(PathPattern, matches_by_whole_segments) {
  const struct {
    std::string_view pattern;
    std::vector<std::string_view> yes, no;
  } cases[] = {
      {"/orders/",
       {"/orders/", "/orders/7", "/orders/7/", "/orders/7/items"},
       {"/orders", "/ordersx/7", "/Orders/7", "/"}},
      {"/orders/**", {"/orders/", "/orders/7", "/orders/7/items"}, {"/orders", "/order"}},
      {"/orders", {"/orders"}, {"/orders/", "/orders/7", "/order", "/ordersx"}},
      {"/orders/*", {"/orders/7", "/orders/*"}, {"/orders/", "/orders", "/orders/7/", "/orders/7/items"}},
      {"/orders/*/items",
       {"/orders/7/items"},
       {"/orders//items", "/orders/items", "/orders/7/8/items", "/orders/7/items/"}},
      {"/orders/*/", {"/orders/7/", "/orders/7/items/1"}, {"/orders/7", "/orders//", "/orders//x"}},
      {"/*/*", {"/a/b"}, {"/a", "/a/", "//b", "/a/b/c", "/a/b/"}},
      {"/", {"/", "/a", "/a/b", "//"}, {"", "*", "a"}},
      {"/**", {"/", "/a", "/a/b"}, {"", "*"}},
      {"/a/*/c/**", {"/a/b/c/", "/a/b/c/d/e"}, {"/a/b/c", "/a/c/d", "/a//c/d"}},
  };
  for (const auto& one : cases) {
    const auto pattern = parse_path_pattern(one.pattern);
    ASSERT_TRUE(pattern) << one.pattern;
    for (const auto path : one.yes) {
      EXPECT_TRUE(pattern_matches(*pattern, path)) << one.pattern << ' ' << path;
      EXPECT_TRUE(reference::path_matches(*pattern, path)) << one.pattern << ' ' << path;
    }
    for (const auto path : one.no) {
      EXPECT_FALSE(pattern_matches(*pattern, path)) << one.pattern << ' ' << path;
      EXPECT_FALSE(reference::path_matches(*pattern, path)) << one.pattern << ' ' << path;
    }
  }
}

TEST(PathPattern, refuses_what_would_never_match_as_meant) {
  const struct {
    std::string text;
    std::string_view code, help;
  } cases[] = {
      {"orders/", code::path_without_slash, "did you mean '/orders/'?"},
      {"*", code::path_without_slash, "/**"},
      {"**", code::path_without_slash, "/**"},
      {"https://shop/orders", code::path_without_slash, "without scheme"},
      {"/orders*", code::partial_path_wildcard, "whole segment"},
      {"/orders/*.json", code::partial_path_wildcard, ""},
      {"/orders/***", code::partial_path_wildcard, ""},
      {"/**/items", code::rest_not_last, ""},
      {"/orders/**/", code::rest_not_last, ""},
      {"//orders", code::path_never_canonical, "one '/'"},
      {"/orders//", code::path_never_canonical, ""},
      {"/orders/../admin", code::path_never_canonical, ""},
      {"/orders/.", code::path_never_canonical, ""},
      {"/orders?x=1", code::path_never_canonical, "query"},
      {"/orders#x", code::path_never_canonical, ""},
      {"/orders%2f", code::path_never_canonical, "decoded"},
      {"/orders\\x", code::path_never_canonical, ""},
      {"/orders\n", code::path_never_canonical, ""},
      {"/orders/\x01", code::path_never_canonical, ""},
      {"/" + std::string(path_bytes_max, 'x'), code::path_never_canonical, ""},
  };
  for (const auto& one : cases) {
    const auto pattern = parse_path_pattern(one.text);
    ASSERT_FALSE(pattern) << one.text;
    EXPECT_EQ(pattern.error().code, one.code) << one.text;
    EXPECT_NE(pattern.error().help.find(one.help), std::string::npos) << one.text << ": " << pattern.error().help;
  }
}

TEST(PathPattern, bounds_the_segments) {
  std::string path;
  for (std::size_t i = 0; i < path_segments_max; ++i) path += "/a";
  EXPECT_TRUE(parse_path_pattern(path));
  EXPECT_FALSE(parse_path_pattern(path + "/a"));
}

TEST(Methods, reads_the_ways_to_write_several) {
  using Methods = std::vector<std::string>;
  EXPECT_EQ(*parse_methods("GET"), Methods{"GET"});
  EXPECT_EQ(*parse_methods("PUT/GET"), (Methods{"PUT", "GET"}));
  EXPECT_EQ(*parse_methods("PUT, GET"), (Methods{"PUT", "GET"}));
  EXPECT_EQ(*parse_methods("PUT,GET / HEAD"), (Methods{"PUT", "GET", "HEAD"}));
  EXPECT_EQ(*parse_methods("VERSION-CONTROL"), Methods{"VERSION-CONTROL"});
  EXPECT_EQ(*parse_methods("*"), Methods{});
}

TEST(Methods, refuses_what_is_not_a_method) {
  const struct {
    std::string text;
    std::string_view help;
  } cases[] = {
      {"get", "did you mean 'GET'?"},
      {"Get", "did you mean 'GET'?"},
      {"gte", "did you mean 'GET'?"},
      {"GET/", ""},
      {"/GET", ""},
      {"GET,,PUT", ""},
      {"", ""},
      {"GET PUT", "PUT/GET"},
      {"GET;PUT", ""},
      {"GET\nPUT", ""},
      {"**", ""},
      {"1GET", ""},
      {"G\xc3\x89T", ""},
      {std::string(65, 'A'), ""},
      {"GET|PUT", ""},
  };
  for (const auto& one : cases) {
    const auto methods = parse_methods(one.text);
    ASSERT_FALSE(methods) << one.text;
    EXPECT_EQ(methods.error().code, code::bad_method);
    EXPECT_NE(methods.error().help.find(one.help), std::string::npos) << one.text << ": " << methods.error().help;
  }
}

TEST(ConcretePath, refuses_patterns_and_spellings_that_no_request_has) {
  EXPECT_TRUE(check_concrete_path("/orders/7"));
  EXPECT_TRUE(check_concrete_path("/"));
  for (const std::string_view path : {"", "orders", "/orders/*", "/orders/**", "/a//b", "/a/../b", "/a?b"}) {
    EXPECT_FALSE(check_concrete_path(path)) << path;
  }
}

}  // namespace
}  // namespace keepgate::policy

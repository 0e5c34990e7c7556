#include "route/map.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::route {
namespace {

Template value(std::string_view text) { return Template::literal(text); }

void add_regex(Map& map, std::string_view pattern, bool ignore_case, std::string_view text) {
  std::string error;
  auto regex = Regex::compile(pattern, ignore_case, error);
  ASSERT_TRUE(regex) << error;
  map.add_regex(*std::move(regex), value(text));
}

TEST(Map, follows_the_order_of_nginx) {
  Map map;
  add_regex(map, "^www\\.", false, "regex 1");
  add_regex(map, "\\.ORG$", true, "regex 2");
  add_regex(map, "\\.org$", false, "regex 3, never");
  EXPECT_TRUE(map.add_prefix("www.example.*", value("prefix")));
  EXPECT_TRUE(map.add_prefix("www.example.co.*", value("longer prefix")));
  EXPECT_TRUE(map.add_suffix("*.example.com", value("suffix")));
  EXPECT_TRUE(map.add_suffix("*.deep.example.com", value("longer suffix")));
  EXPECT_TRUE(map.add_suffix(".both.net", value("bare or suffix")));
  EXPECT_TRUE(map.add_exact("www.example.com", value("exact")));
  EXPECT_TRUE(map.set_default(value("default")));
  constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"www.example.com", "exact"},
      {"WWW.Example.COM", "exact"},
      {"www.example.com.", "exact"},
      {"a.example.com", "suffix"},
      {"A.B.EXAMPLE.com", "suffix"},
      {"x.deep.example.com", "longer suffix"},
      {"deep.example.com", "suffix"},
      {".example.com", "suffix"},
      {"example.com", "default"},
      {"notexample.com", "default"},
      {"both.net", "bare or suffix"},
      {"a.both.net", "bare or suffix"},
      {"aboth.net", "default"},
      {"www.example.de", "prefix"},
      {"www.example.co.uk", "longer prefix"},
      {"www.example.", "regex 1"},  // Its dot is dropped, and "www.example" is no "www.example.*".
      {"www.other.net", "regex 1"},
      {"www.other.org", "regex 1"},
      {"other.org", "regex 2"},
      {"", "default"},
      {".", "default"},
  };
  for (const auto& [text, expected] : rows) {
    EXPECT_EQ(map.lookup(text).text(), expected) << text;
  }
}

TEST(Map, compares_exact_keys_without_case_and_regexes_with) {
  Map map;
  EXPECT_TRUE(map.add_exact("KEY-abcdefghijklmnopqrstuvwxyz", value("client")));
  add_regex(map, "^Key$", false, "regex");
  EXPECT_EQ(map.lookup("key-ABCDEFGHIJKLMNOPQRSTUVWXYZ").text(), "client");
  EXPECT_EQ(map.lookup("Key").text(), "regex");
  EXPECT_EQ(map.lookup("key").text(), "");
  EXPECT_EQ(map.lookup("key@abcdefghijklmnopqrstuvwxyz").text(), "");
}

TEST(Map, letters_alone_have_two_cases) {
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    const std::string stored = std::string("1234567") + character;  // One whole word of the hash.
    const std::string short_stored = std::string("12") + character;
    Map map;
    ASSERT_TRUE(map.add_exact(cat('\\', stored), value("word")));
    ASSERT_TRUE(map.add_exact(cat('\\', short_stored), value("tail")));
    for (int other = 0; other < 256; ++other) {
      const bool same = to_lower(character) == to_lower(static_cast<char>(other));
      EXPECT_EQ(map.lookup(std::string("1234567") + static_cast<char>(other)).text() == "word", same);
      EXPECT_EQ(map.lookup(std::string("12") + static_cast<char>(other)).text() == "tail", same);
    }
  }
}

TEST(Map, a_backslash_in_front_makes_a_name_ordinary) {
  Map map;
  EXPECT_TRUE(map.add_exact("\\default", value("the word")));
  EXPECT_TRUE(map.add_exact("\\~x", value("a tilde")));
  EXPECT_TRUE(map.add_exact("a\\b", value("inner stays")));
  EXPECT_EQ(map.lookup("default").text(), "the word");
  EXPECT_EQ(map.lookup("~x").text(), "a tilde");
  EXPECT_EQ(map.lookup("a\\b").text(), "inner stays");
  EXPECT_EQ(map.lookup("\\default").text(), "");
}

TEST(Map, refuses_duplicates) {
  Map map;
  EXPECT_TRUE(map.add_exact("a.com", value("1")));
  EXPECT_FALSE(map.add_exact("A.com", value("2")));
  EXPECT_FALSE(map.add_exact("\\a.com", value("2")));
  EXPECT_FALSE(map.add_suffix(".a.com", value("2")));
  EXPECT_TRUE(map.add_suffix("*.a.com", value("3")));
  EXPECT_FALSE(map.add_suffix("*.A.com", value("4")));
  EXPECT_TRUE(map.add_suffix(".b.com", value("5")));
  EXPECT_FALSE(map.add_suffix("*.b.com", value("6")));
  EXPECT_FALSE(map.add_exact("b.com", value("6")));
  EXPECT_TRUE(map.add_prefix("a.*", value("7")));
  EXPECT_FALSE(map.add_prefix("a.*", value("8")));
  EXPECT_TRUE(map.set_default(value("9")));
  EXPECT_FALSE(map.set_default(value("10")));
  EXPECT_EQ(map.lookup("a.com").text(), "1");
  EXPECT_EQ(map.lookup("x.b.com").text(), "5");
  EXPECT_EQ(map.lookup("none").text(), "9");
}

TEST(Map, refuses_what_is_no_wildcard) {
  Map map;
  for (const std::string_view key :
       {"example.com", "*", "*.", ".", "*example.com", "*.a.*", "*.a..b", "*..a", "a.*.b", ""}) {
    EXPECT_FALSE(map.add_suffix(key, value("x"))) << key;
  }
  for (const std::string_view key : {"www.*.com", ".*", "*", "www*", "*.www.*", "a..*", ""}) {
    EXPECT_FALSE(map.add_prefix(key, value("x"))) << key;
  }
}

TEST(Map, without_a_default_the_value_is_empty) {
  Map map;
  EXPECT_TRUE(map.lookup("x").empty());
  EXPECT_TRUE(map.lookup("").empty());
}

TEST(Map, an_empty_value_meets_exact_keys_but_no_regex) {
  Map map;
  add_regex(map, ".*", false, "regex");
  EXPECT_TRUE(map.set_default(value("default")));
  EXPECT_EQ(map.lookup("").text(), "default");
  EXPECT_EQ(map.lookup("x").text(), "regex");
  EXPECT_TRUE(map.add_exact("", value("exact")));
  EXPECT_EQ(map.lookup("").text(), "exact");
}

TEST(Map, ignores_a_last_dot_under_hostnames_only) {
  Map plain, hosts;
  hosts.hostnames = true;
  EXPECT_TRUE(plain.add_exact("a.com", value("hit")));
  EXPECT_TRUE(hosts.add_exact("a.com", value("hit")));
  EXPECT_EQ(plain.lookup("a.com.").text(), "");
  EXPECT_EQ(hosts.lookup("a.com.").text(), "hit");
}

TEST(Map, a_regex_that_cannot_be_matched_ends_in_the_default) {
  set_log_sink([](LogLevel, std::string_view) {});
  Map map;
  add_regex(map, "^(a+)+$", false, "blocked");
  add_regex(map, "^a", false, "looser");
  EXPECT_TRUE(map.set_default(value("default")));
  EXPECT_EQ(map.lookup(std::string(4000, 'a') + "!").text(), "default");
  EXPECT_EQ(map.lookup("a!").text(), "looser");
  set_log_sink(nullptr);
}

TEST(Map, a_long_value_of_dots_is_cheap) {
  Map map;
  EXPECT_TRUE(map.add_suffix("*.example.com", value("suffix")));
  EXPECT_TRUE(map.add_prefix("www.*", value("prefix")));
  const std::string dots(60'000, '.');
  for (int i = 0; i < 100; ++i) EXPECT_EQ(map.lookup(dots).text(), "");
  EXPECT_EQ(map.lookup(dots + "example.com").text(), "suffix");
  EXPECT_EQ(map.lookup("www" + dots + "x").text(), "prefix");
}

TEST(Map, finds_each_of_many_keys) {
  Map map;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(map.add_exact(cat("Key-", i), value(cat(i))));
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(map.lookup(cat("kEY-", i)).text(), cat(i));
  EXPECT_EQ(map.lookup("Key-10000").text(), "");
}

}  // namespace
}  // namespace keepgate::route

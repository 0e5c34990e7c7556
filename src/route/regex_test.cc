#include "route/regex.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>

#include "base/log.h"

namespace keepgate::route {
namespace {

thread_local int logged_errors = 0;
thread_local std::string last_logged;

struct CountLog {
  CountLog() {
    logged_errors = 0;
    set_log_sink([](LogLevel level, std::string_view message) {
      logged_errors += level == LogLevel::error;
      last_logged = message;
    });
  }
  ~CountLog() { set_log_sink(nullptr); }
};

Regex compiled(std::string_view pattern, bool ignore_case = false) {
  std::string error;
  auto regex = Regex::compile(pattern, ignore_case, error);
  EXPECT_TRUE(regex) << error;
  return *std::move(regex);
}

TEST(Regex, searches_anywhere_unless_anchored) {
  EXPECT_TRUE(compiled("\\.json$").matches("/api/x.json"));
  EXPECT_FALSE(compiled("\\.json$").matches("/api/x.json/y"));
  EXPECT_FALSE(compiled("^x").matches("/x"));
  EXPECT_TRUE(compiled("").matches(""));
  EXPECT_TRUE(compiled("^$").matches({}));
  EXPECT_FALSE(compiled("^$").matches("a"));
}

TEST(Regex, ignores_case_only_when_asked) {
  EXPECT_TRUE(compiled("\\.JPG$", true).matches("/a.jpg"));
  EXPECT_FALSE(compiled("\\.JPG$").matches("/a.jpg"));
}

TEST(Regex, matches_bytes_and_not_characters) {
  EXPECT_TRUE(compiled("^..$").matches("\xc3\xa9"));
  EXPECT_TRUE(compiled("(*UTF)^.$").matches("\xc3\xa9"));
  EXPECT_TRUE(compiled(std::string_view("a\0b", 3)).matches(std::string_view("a\0b", 3)));
  EXPECT_FALSE(compiled(std::string_view("a\0b", 3)).matches("a"));
}

TEST(Regex, tells_what_its_groups_took) {
  const Regex regex = compiled("^(a+)(b)?(?<rest>.*)$");
  Captures captures;
  ASSERT_EQ(regex.match("aac", captures), Regex::Match::yes);
  EXPECT_EQ(captures.at(0), "aac");
  EXPECT_EQ(captures.at(1), "aa");
  EXPECT_EQ(captures.at(2), "");  // Took no part.
  EXPECT_EQ(captures.at(3), "c");
  EXPECT_EQ(captures.at(19), "");
  EXPECT_EQ(captures.at(1000), "");
  EXPECT_EQ(regex.names(), (std::vector<std::pair<std::string, std::uint32_t>>{{"rest", 3}}));
  EXPECT_EQ(regex.match("x", captures), Regex::Match::no);
  EXPECT_EQ(captures.at(1), "") << "nothing is left of an earlier match";
}

TEST(Regex, more_groups_than_there_is_room_for_are_empty) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "(.)";
  Captures captures;
  const std::string subject(40, 'x');  // What was captured points into it.
  ASSERT_EQ(compiled(pattern).match(subject, captures), Regex::Match::yes);
  EXPECT_EQ(captures.at(Captures::groups_max - 1), "x");
  EXPECT_EQ(captures.at(Captures::groups_max), "");
}

TEST(Regex, a_match_cannot_end_before_it_begins) {
  std::string error;  // \K in a lookaround would do that.
  EXPECT_FALSE(Regex::compile("(?=ab\\K)", false, error));
}

TEST(Regex, shows_nothing_of_an_earlier_match) {
  Captures captures;
  ASSERT_EQ(compiled("(s)(e)(c)(r)(e)(t)").match("secret", captures), Regex::Match::yes);
  EXPECT_EQ(captures.at(6), "t");
  ASSERT_EQ(compiled("(o)").match("other", captures), Regex::Match::yes);
  EXPECT_EQ(captures.at(1), "o");
  for (std::size_t i = 2; i < Captures::groups_max; ++i) EXPECT_EQ(captures.at(i), "");
}

TEST(Regex, an_invalid_subject_of_a_utf_pattern_is_a_failure) {
  const CountLog log;
  EXPECT_EQ(compiled("(*UTF)a").match("\xff"
                                      "a"),
            Regex::Match::failed);
  EXPECT_EQ(logged_errors, 1);
}

TEST(Regex, refuses_bad_patterns_with_reason_and_offset) {
  for (const std::string_view pattern : {"(", "[a", "a**", "(?<n>a)(?<n>b)", "\\"}) {
    std::string error;
    EXPECT_FALSE(Regex::compile(pattern, false, error)) << pattern;
    EXPECT_NE(error.find("at offset"), std::string::npos) << error;
  }
}

TEST(Regex, stops_catastrophic_backtracking_and_logs_no_subject) {
  const CountLog log;
  const Regex regex = compiled("^(a+)+$");
  const std::string subject = std::string(4000, 'a') + "secret";
  EXPECT_EQ(regex.match(subject), Regex::Match::failed);
  EXPECT_FALSE(regex.matches(subject));
  EXPECT_EQ(logged_errors, 2);
  EXPECT_EQ(last_logged.find("secret"), std::string::npos);
  EXPECT_TRUE(regex.matches(std::string(4000, 'a')));  // The same pattern on a friendly subject.
}

TEST(Regex, ordinary_patterns_pass_on_the_longest_paths) {
  const CountLog log;
  std::string path;
  for (int i = 0; i < 4000; ++i) path += "/segment";
  EXPECT_TRUE(compiled("^/segment/.*/segment$").matches(path));
  EXPECT_FALSE(compiled("\\.(gif|jpe?g|png)$").matches(path));
  EXPECT_FALSE(compiled("^(/[a-z]+)*$").matches(path + "/7"));
  EXPECT_EQ(logged_errors, 0);
}

TEST(Regex, one_pattern_serves_several_threads) {
  const Regex regex = compiled("^/v[0-9]+/");
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(regex.matches("/v2/x"));
  });
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(regex.matches("/w2/x"));
  other.join();
}

struct Kept final : CaptureSink {
  void keep_groups(const Regex& regex, const Captures* groups) override {
    ++matches;
    text = groups ? std::string(groups->at(1)) : "none";
    slots.clear();
    for (const Regex::Bound& bound : regex.bound()) slots[bound.slot] = groups ? groups->at(bound.group) : "";
  }
  int matches = 0;
  std::string text;
  std::map<std::uint32_t, std::string> slots;
};

TEST(Regex, a_sink_learns_of_matches_only) {
  Kept kept;
  EXPECT_EQ(compiled("^/(a+)$").match_for("/b", &kept), Regex::Match::no);
  EXPECT_EQ(kept.matches, 0);
  EXPECT_EQ(compiled("^/(a+)$").match_for("/aa", &kept), Regex::Match::yes);
  EXPECT_EQ(kept.text, "aa");
  EXPECT_EQ(compiled("^/b$").match_for("/b", &kept), Regex::Match::yes);
  EXPECT_EQ(kept.text, "none");
  EXPECT_EQ(compiled("^/b$").match_for("/b", nullptr), Regex::Match::yes);
}

TEST(Regex, named_groups_go_to_their_slots) {
  Regex regex = compiled("^/(?<first>[a-z]+)/(?<second>[0-9]*)$");
  EXPECT_EQ(regex.group_count(), 2U);
  ASSERT_TRUE(regex.bind(
      [](std::string_view name) { return name == "second" ? std::optional<std::uint32_t>(7) : std::nullopt; }));
  Kept kept;
  EXPECT_EQ(regex.match_for("/ab/12", &kept), Regex::Match::yes);
  EXPECT_EQ(kept.slots, (std::map<std::uint32_t, std::string>{{7, "12"}}));
}

TEST(Regex, a_named_group_behind_too_many_others_is_refused) {
  const auto first = [](std::string_view) { return std::optional<std::uint32_t>(0); };
  std::string groups;
  for (int i = 0; i < 18; ++i) groups += "()";
  EXPECT_TRUE(compiled(groups + "(?<name>x)").bind(first)) << "the nineteenth";
  EXPECT_FALSE(compiled(groups + "()(?<name>x)").bind(first)) << "the twentieth";
}

}  // namespace
}  // namespace keepgate::route

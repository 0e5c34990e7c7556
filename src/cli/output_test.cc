#include "cli/output.h"

#include <gtest/gtest.h>

#include "cli/token.h"

namespace keepgate::cli {
namespace {

TEST(Output, durations_have_nginx_units_and_a_sign) {
  struct Case {
    std::string_view text;
    std::int64_t seconds;
  };
  constexpr Case cases[] = {{"0", 0},        {"90", 90},          {"30s", 30},    {"5m", 300},
                            {"1h30m", 5400}, {"14d", 14 * 86400}, {"-1h", -3600}, {"2w", 14 * 86400}};
  for (const Case& one : cases) EXPECT_EQ(parse_duration(one.text), one.seconds) << one.text;
}

TEST(Output, what_is_no_duration_is_refused) {
  for (const std::string_view text : {"", "-", "--1", "1x", "h", "1.5h", "+1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Output, times_are_written_for_people) {
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_time(1'700'000'000), "2023-11-14T22:13:20Z");
  EXPECT_EQ(relative_time(100, 100), "now");
  EXPECT_EQ(relative_time(101, 100), "in 1 second");
  EXPECT_EQ(relative_time(0, 14 * 86400), "14 days ago");
  EXPECT_EQ(relative_time(3 * 3600, 0), "in 3 hours");
  EXPECT_EQ(relative_time(INT64_MAX, -1), "far away");
}

TEST(Output, columns_are_as_wide_as_they_have_to_be) {
  EXPECT_EQ(table({{"a", "bb", "c"}, {"aaa", "b"}, {"…", "x"}}), "a    bb  c\naaa  b\n…    x\n");
}

TEST(Output, json_is_indented_and_empty_containers_are_not) {
  const auto value = crypto::parse_json(R"({"a":[1,{"b":[]}],"c":{}})");
  ASSERT_TRUE(value);
  EXPECT_EQ(pretty(*value), "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}\n");
}

}  // namespace
}  // namespace keepgate::cli

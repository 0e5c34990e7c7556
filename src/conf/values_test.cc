#include "conf/values.h"

#include <gtest/gtest.h>

namespace keepgate::conf {
namespace {

TEST(Values, reads_sizes_as_nginx) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("8k"), 8192U);
  EXPECT_EQ(parse_size("8K"), 8192U);
  EXPECT_EQ(parse_size("10m"), 10U << 20);
  EXPECT_EQ(parse_offset("1g"), 1ULL << 30);
}

TEST(Values, refuses_what_is_no_size) {
  for (const char* text : {"", "k", "-1", "+1", "1kb", "1 k", "1.5m", "0x10", "99999999999999999999",
                           "9999999999999999999", "9223372036854775807k", "1t"}) {
    EXPECT_FALSE(parse_offset(text)) << text;
  }
  EXPECT_FALSE(parse_size("1g")) << "ngx_parse_size knows k and m only";
}

TEST(Values, reads_times_as_nginx) {
  EXPECT_EQ(parse_time_ms("10"), 10'000);
  EXPECT_EQ(parse_time_ms("500ms"), 500);
  EXPECT_EQ(parse_time_ms("1h30m"), 5'400'000);
  EXPECT_EQ(parse_time_ms("1h 30m"), 5'400'000);
  EXPECT_EQ(parse_time_ms("1m500ms"), 60'500);
  EXPECT_EQ(parse_time_ms("1s500ms"), 1'500);
  EXPECT_EQ(parse_time_ms("1d"), 86'400'000);
  EXPECT_EQ(parse_time_ms("1w"), 7 * 86'400'000);
  EXPECT_EQ(parse_time_s("1y"), 365 * 86'400);
  EXPECT_EQ(parse_time_s("1M"), 30 * 86'400);
  EXPECT_EQ(parse_time_s("1y2M3w4d5h6m7s"), 365 * 86400 + 60 * 86400 + 21 * 86400 + 4 * 86400 + 5 * 3600 + 6 * 60 + 7);
  EXPECT_EQ(parse_time_s("0"), 0);
}

TEST(Values, refuses_what_is_no_time) {
  for (const char* text :
       {"", "s", "1x", "1m1h", "1s1s", "30m1h", "-1s", "1.5s", "99999999999999999999s", " 1s", "1y", "1M"}) {
    EXPECT_FALSE(parse_time_ms(text)) << text;
  }
  EXPECT_FALSE(parse_time_s("500ms")) << "a time in seconds has no milliseconds";
  EXPECT_FALSE(parse_time_s("9223372036854775807y"));
}

TEST(Values, reads_flags) {
  EXPECT_EQ(parse_flag("on"), true);
  EXPECT_EQ(parse_flag("OFF"), false);
  for (const char* text : {"", "yes", "1", "true", "on "}) EXPECT_FALSE(parse_flag(text)) << text;
}

}  // namespace
}  // namespace keepgate::conf

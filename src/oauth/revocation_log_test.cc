#include "oauth/revocation_log.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::oauth {
namespace {

void add(RevocationLog& log, std::int64_t version, std::string text, std::int64_t until_s) {
  const RevocationLog::Line line{version, std::move(text), until_s};
  log.add({&line, 1});
}

TEST(RevocationLog, tells_what_came_behind_a_version_and_nothing_before) {
  RevocationLog log;
  EXPECT_EQ(log.whole(), "");
  log.add({});
  add(log, 3, "a\n", 100);
  add(log, 5, "b\n", 100);
  add(log, 5, "c\n", 100);
  EXPECT_EQ(log.whole(), "a\nb\nc\n");
  EXPECT_EQ(log.behind(2), "a\nb\nc\n");
  EXPECT_EQ(log.behind(3), "b\nc\n");
  EXPECT_EQ(log.behind(4), "b\nc\n");
  EXPECT_EQ(log.behind(5), "");
  EXPECT_EQ(log.behind(1'000), "");
  EXPECT_EQ(log.size(), 3U);
  EXPECT_EQ(log.bytes(), 6U);
}

TEST(RevocationLog, that_was_copied_is_not_changed_by_what_is_added_to_the_other) {
  RevocationLog log;
  add(log, 1, "a\n", 100);
  const RevocationLog before = log;
  add(log, 2, "b\n", 100);
  EXPECT_EQ(before.whole(), "a\n");
  EXPECT_EQ(log.whole(), "a\nb\n");
}

TEST(RevocationLog, goes_on_over_many_pieces) {
  RevocationLog log;
  std::string all, second;
  std::vector<RevocationLog::Line> lines;
  for (std::int64_t i = 1; i <= 20'000; ++i) {
    const std::string line = cat("{\"jti\":\"", i, "\"}\n");
    lines.push_back({i, line, i});
    all += line;
    if (i > 12'345) second += line;
  }
  log.add(lines);
  EXPECT_EQ(log.whole(), all);
  EXPECT_EQ(log.behind(12'345), second);
  const std::size_t before = log.bytes();
  log.forget(10'000);
  EXPECT_LT(log.bytes(), before);
  EXPECT_EQ(log.behind(12'345), second);
  EXPECT_TRUE(log.whole().contains("\"10000\"")) << "what has not ended stays";
  EXPECT_FALSE(log.whole().contains("\"1\""));
  EXPECT_EQ(log.whole().size(), log.bytes());
  log.forget(1'000'000);
  EXPECT_EQ(log.size(), 0U);
  EXPECT_EQ(log.whole(), "");
  add(log, 20'001, "z\n", 5);
  EXPECT_EQ(log.behind(20'000), "z\n");
}

}  // namespace
}  // namespace keepgate::oauth

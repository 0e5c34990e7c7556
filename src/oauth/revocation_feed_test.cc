#include "oauth/revocations.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "oauth/schema.h"
#include "oauth/service.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

constexpr std::int64_t today_s = 1'900'000'000;
constexpr Now today{1'000, today_s * 1000};

class RevocationFeeds : public testing::Test {
 protected:
  void SetUp() override {
    transactor = store::test::open_store(store::test::sqlite_address(folder.path() / "store.db"), schema());
    ASSERT_NE(transactor, nullptr);
    sql("INSERT INTO facts (name, value) VALUES ('epoch', 'e')");
  }
  void sql(const std::string& statement) { store::test::rows_of(*transactor, statement); }
  void swept_until(std::int64_t time_s) {
    sql(cat("INSERT INTO facts (name, value) VALUES ('swept_until', '", time_s,
            "') ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
  }
  std::string add(const std::string& kind, const std::string& value, std::int64_t before_s = 0,
                  std::int64_t until_s = today_s + 1'000) {
    return store::test::code_of(transactor->run(
        [&](store::Database& database) { return add_revocation(database, kind, value, before_s, until_s); }));
  }
  std::shared_ptr<const RevocationFeed> load(const RevocationFeed* before, Now now = today) {
    std::shared_ptr<const RevocationFeed> out;
    const auto done = transactor->run([&](store::Database& database) -> Result<void> {
      auto loaded = load_feed(database, before, now);
      if (!loaded) return std::unexpected(loaded.error());
      out = std::move(*loaded);
      return {};
    });
    EXPECT_TRUE(done.has_value()) << done.error().detail;
    return out;
  }
  static bool takes_back(const RevocationFeed& feed, std::string_view subject, std::int64_t issued_s = today_s) {
    auth::RevocableNames names;
    names.subject = subject;
    names.issued_s = issued_s;
    return feed.list->find(names, today).has_value();
  }

  TempFolder folder;
  std::unique_ptr<store::Transactor> transactor;
};

TEST_F(RevocationFeeds, go_on_with_what_came_behind_the_last) {
  EXPECT_EQ(load(nullptr)->log.whole(), "");
  add("sub", "a\"b");
  const auto first = load(nullptr);
  EXPECT_EQ(first->version, 2);
  EXPECT_EQ(first->epoch, "e");
  EXPECT_EQ(first->log.whole(), "{\"sub\":\"a\\\"b\",\"until\":1900001000}\n");
  sql("DELETE FROM revocations");  // Whatever becomes of it: what is known is not read again.
  add("sub", "c", today_s + 1);
  const auto second = load(first.get());
  EXPECT_EQ(second->version, 3);
  EXPECT_EQ(second->log.behind(2), "{\"sub\":\"c\",\"before\":1900000001,\"until\":1900001000}\n");
  EXPECT_TRUE(takes_back(*second, "a\"b") && takes_back(*second, "c"));
  EXPECT_FALSE(takes_back(*first, "c") || takes_back(*second, "c", today_s + 1));
  EXPECT_EQ(second->log.whole(), first->log.whole() + second->log.behind(2));
}

TEST_F(RevocationFeeds, an_entry_that_grows_wider_is_told_again) {
  add("sub", "a", today_s - 100);
  const auto first = load(nullptr);
  EXPECT_FALSE(takes_back(*first, "a"));
  add("sub", "a", today_s + 1);
  const auto second = load(first.get());
  EXPECT_TRUE(takes_back(*second, "a"));
  add("sub", "a", today_s - 200);
  const auto third = load(second.get());
  EXPECT_TRUE(takes_back(*third, "a")) << "never narrower";
  EXPECT_TRUE(takes_back(*load(nullptr), "a"));
  EXPECT_EQ(load(nullptr)->log.size(), 1U);
}

TEST_F(RevocationFeeds, of_another_epoch_or_an_older_version_are_read_whole) {
  add("sub", "a");
  add("sub", "b");
  const auto first = load(nullptr);
  sql("DELETE FROM revocations WHERE value = 'a'");
  sql("UPDATE facts SET value = 'other' WHERE name = 'epoch'");
  EXPECT_FALSE(takes_back(*load(first.get()), "a"));
  EXPECT_TRUE(takes_back(*load(first.get()), "b"));
  sql("UPDATE facts SET value = 'e' WHERE name = 'epoch'");
  EXPECT_TRUE(takes_back(*load(first.get()), "a")) << "nothing is read again";
  sql("UPDATE versions SET value = 1 WHERE name = 'revocations'");
  EXPECT_FALSE(takes_back(*load(first.get()), "a"));
}

TEST_F(RevocationFeeds, leave_out_what_the_sweeps_may_forget_whatever_the_clock_says) {
  add("sub", "a", 0, today_s - 1);
  add("sub", "b", 0, today_s + 10);
  const Now jumped{0, (today_s + 30 * 86'400) * 1000};
  const auto first = load(nullptr, jumped);
  EXPECT_EQ(first->log.size(), 2U) << "a clock that was set forward for a moment";
  swept_until(today_s + 86'400 - 1);
  EXPECT_EQ(load(nullptr, jumped)->log.size(), 1U);
  swept_until(today_s + 86'400 + 11);
  EXPECT_EQ(load(first.get(), today)->log.size(), 2U) << "the clock was set back";
  EXPECT_EQ(load(first.get(), jumped)->log.size(), 0U);
}

TEST_F(RevocationFeeds, of_what_is_taken_back_again_say_nothing_more) {
  add("sub", "a", today_s + 1);
  const auto first = load(nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(add("sub", "a", today_s + 1), "");
  EXPECT_EQ(add("sub", "a", today_s), "") << "nor of less";
  EXPECT_EQ(load(nullptr)->version, first->version);
  add("sub", "a", today_s + 2);
  add("sub", "a", today_s + 2, today_s + 2'000);
  add("sub", "a");
  EXPECT_EQ(load(nullptr)->version, first->version + 3) << "each was wider";
}

TEST_F(RevocationFeeds, of_many_pages_lose_nothing) {
  sql("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 25001)"
      " INSERT INTO revocations (kind, value, before_s, until_s, version)"
      " SELECT 'sub', 's' || i, 0, 1900001000, i FROM n");
  sql("UPDATE versions SET value = 25001 WHERE name = 'revocations'");
  const auto all = load(nullptr);
  EXPECT_EQ(all->list->size(), 25'000U);
  EXPECT_EQ(all->log.size(), 25'000U);
  EXPECT_TRUE(takes_back(*all, "s2") && takes_back(*all, "s10002") && takes_back(*all, "s25001"));
}

// What is not on the list is not taken back, and nobody is told so.
TEST_F(RevocationFeeds, that_are_full_refuse_a_revocation) {
  const auto fill = [&](std::int64_t from, std::int64_t to) {
    sql(cat("WITH RECURSIVE n(i) AS (SELECT ", from, " UNION ALL SELECT i + 1 FROM n WHERE i < ", to,
            ") INSERT INTO revocations (kind, value, before_s, until_s, version) SELECT 'sub', 's' || i, 0, 1900001000,"
            " i FROM n"));
    sql(cat("UPDATE versions SET value = ", to, " WHERE name = 'revocations'"));
  };
  fill(2, revocations_max);
  EXPECT_EQ(add("sub", "last"), "") << "499,999 were there";
  EXPECT_EQ(add("sub", "one more"), "store_unavailable");
  EXPECT_EQ(add("sub", "last"), "") << "it is there already";
  EXPECT_EQ(add("sub", "last", 0, today_s + 2'000), "") << "and needs no room to grow";
  sql("DELETE FROM revocations WHERE version > 100 AND version < 110");
  EXPECT_EQ(add("sub", "one more"), "") << "versions that are far apart are counted";
}

}  // namespace
}  // namespace keepgate::oauth

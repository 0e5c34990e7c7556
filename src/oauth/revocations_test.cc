#include "oauth/revocations.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "oauth/grant_records.h"
#include "oauth/schema.h"
#include "oauth/service.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

using store::Database;
using store::number_of;
using store::text_of;

constexpr std::int64_t morning_s = 1'900'000'000;
constexpr Now morning{1'000, morning_s * 1000};

class RevocationRecords : public testing::Test {
 protected:
  void SetUp() override {
    store_ = store::test::open_store(store::test::sqlite_address(folder_.path() / "store.db"), schema());
    ASSERT_NE(store_, nullptr);
  }
  store::Rows rows(const std::string& statement) { return store::test::rows_of(*store_, statement); }
  std::int64_t count(const std::string& what) { return number_of(rows(cat("SELECT COUNT(*) FROM ", what))[0][0]); }
  std::int64_t version() { return number_of(rows("SELECT value FROM versions WHERE name = 'revocations'")[0][0]); }
  Result<void> revoke(std::string_view kind, std::string_view value, std::int64_t before_s, std::int64_t until_s,
                      std::string_view owner = {}) {
    return store_->run([&](Database& d) { return add_revocation(d, kind, value, before_s, until_s, owner); });
  }
  std::string entry(const std::string& value) {
    const auto found = rows(cat("SELECT before_s, until_s FROM revocations WHERE value = '", value, "'"));
    return found.size() == 1 ? cat(number_of(found[0][0]), ' ', number_of(found[0][1])) : cat(found.size(), " entries");
  }
  // As long as it may be, but for `room`; each entry has a version of its own.
  void fill(std::int64_t room) { add_entries(revocations_max - room, ""); }
  void add_entries(std::int64_t entries, const std::string& owner) {
    const std::int64_t first = version() + 1;
    rows(cat("UPDATE versions SET value = value + ", entries, " WHERE name = 'revocations'"));
    rows(cat("WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ", entries,
             ") INSERT INTO revocations (kind, value, before_s, until_s, version, owner)"
             " SELECT 'jti', '",
             owner, "token ' || n, 0, 2000000000, n + ", first, ", '", owner, "' FROM numbers"));
  }
  // A grant of a session, with a code that waits.
  GrantRecord add_grant_with_code(const std::string& id, const std::string& session) {
    GrantRecord grant;
    grant.id = id;
    grant.client = "web";
    grant.subject = "user:alice";
    grant.session = session;
    grant.created_s = morning_s;
    grant.expires_s = morning_s + 60;
    EXPECT_TRUE(store_->run([&](Database& d) { return add_grant(d, grant); }));
    const CodeRecord code{
        hash_of_token(cat("code of ", id)), id, "https://web.example/cb", "challenge", "", "", morning_s + 60};
    EXPECT_TRUE(store_->run([&](Database& d) { return add_code(d, code); }));
    return grant;
  }
  Result<Redeemed> redeem(const std::string& id, std::int64_t seconds_later = 0) {
    const CodeUse use{cat("code of ", id), "web", "https://web.example/cb", "challenge", "", morning_s + 1000, false};
    Redeemed out = Redeemed::unknown;
    const Now now{1'000, (morning_s + seconds_later) * 1000};
    const Result<void> done = store_->run([&](Database& d) -> Result<void> {
      const auto redeemed = redeem_code(d, use, revoked_until_s(now.wall_s()), now);
      if (!redeemed) return std::unexpected(redeemed.error());
      out = redeemed->what;
      return {};
    });
    if (!done) return std::unexpected(done.error());
    return out;
  }
  Result<void> sign_out(std::string_view session) {
    return store_->run(
        [&](Database& d) { return revoke_session_grants(d, session, revoked_until_s(morning_s), morning); });
  }

  TempFolder folder_;
  std::unique_ptr<store::Transactor> store_;
};

TEST_F(RevocationRecords, have_room_for_the_last_and_none_for_one_more) {
  fill(1);
  const std::int64_t before = version();
  EXPECT_TRUE(revoke("jti", "the last", 0, morning_s + 10));
  EXPECT_EQ(count("revocations"), revocations_max);
  EXPECT_EQ(version(), before + 1);
  const auto refused = revoke("jti", "one more", 0, morning_s + 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "store_unavailable");
  EXPECT_EQ(refused.error().kind, ErrorKind::limit);
  EXPECT_EQ(entry("one more"), "0 entries");
  EXPECT_EQ(entry("the last"), cat(0, ' ', morning_s + 10)) << "what was taken back stays so";
  EXPECT_EQ(count("revocations"), revocations_max);
  EXPECT_EQ(version(), before + 1) << "nobody is told of a change that there was not";
}

TEST_F(RevocationRecords, are_filled_beyond_their_half_by_nobody_alone) {
  add_entries(revocations_of_owner_max, "user:alice");
  EXPECT_TRUE(revoke("jti", "a1", 0, morning_s + 10, "user:alice")) << "as long as there is room for whoever comes";
  add_entries(revocations_of_owner_max - 1, "user:bob");
  add_entries(revocations_max / 2, "client:robot");
  const auto refused = revoke("jti", "a2", 0, morning_s + 10, "user:alice");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::limit);
  EXPECT_EQ(entry("a2"), "0 entries");
  EXPECT_TRUE(revoke("jti", "a1", 0, morning_s + 20, "user:alice")) << "what is there may grow";
  EXPECT_TRUE(revoke("jti", "b1", 0, morning_s + 10, "user:bob")) << "the last one of his share";
  EXPECT_FALSE(revoke("jti", "b2", 0, morning_s + 10, "user:bob"));
  EXPECT_FALSE(revoke("jti", "r1", 0, morning_s + 10, "client:robot"));
  EXPECT_TRUE(revoke("jti", "c1", 0, morning_s + 10, "user:carol"));
  EXPECT_TRUE(revoke("jti", "a3", 0, morning_s + 10)) << "an operator needs no share";
  // A grant is its subject's; an operator ends it all the same.
  add_grant_with_code("g1", "s1");
  ASSERT_EQ(redeem("g1"), Redeemed::good);
  EXPECT_FALSE(sign_out("s1"));
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 1);
  EXPECT_TRUE(store_->run(
      [&](Database& d) { return revoke_grant(d, "g1", revoked_until_s(morning_s), morning, Share::unbounded); }));
  EXPECT_EQ(count("revocations WHERE kind = 'grant' AND value = 'g1'"), 1);
}

TEST_F(RevocationRecords, are_shared_from_their_half_on_and_not_before) {
  add_entries(revocations_of_owner_max, "user:alice");
  add_entries(revocations_max / 2 - revocations_of_owner_max - 1, "");
  EXPECT_TRUE(revoke("jti", "a1", 0, morning_s + 10, "user:alice")) << "the last one of the half";
  EXPECT_EQ(count("revocations"), revocations_max / 2);
  EXPECT_FALSE(revoke("jti", "a2", 0, morning_s + 10, "user:alice"));
}

TEST_F(RevocationRecords, that_are_full_end_no_grant_by_half) {
  add_grant_with_code("g1", "s1");
  ASSERT_EQ(redeem("g1"), Redeemed::good);
  add_grant_with_code("g2", "s1");
  fill(0);
  EXPECT_FALSE(sign_out("s1"));
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 2) << "a part of a sign-out was recorded";
  EXPECT_FALSE(redeem("g1")) << "a second use that could not be recorded";
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 2);
  rows("DELETE FROM revocations WHERE value = 'token 1'");
  EXPECT_TRUE(sign_out("s1"));
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 0);
}

TEST_F(RevocationRecords, grow_wider_and_never_narrower) {
  ASSERT_TRUE(revoke("sub", "user:alice", 500, 1'000));
  ASSERT_TRUE(revoke("sub", "user:alice", 400, 900));
  EXPECT_EQ(entry("user:alice"), "500 1000");
  ASSERT_TRUE(revoke("sub", "user:alice", 600, 2'000));
  EXPECT_EQ(entry("user:alice"), "600 2000");
  ASSERT_TRUE(revoke("sub", "user:alice", 0, 1'000));
  EXPECT_EQ(entry("user:alice"), "0 2000") << "whenever it was issued";
  ASSERT_TRUE(revoke("sub", "user:alice", 700, 3'000));
  EXPECT_EQ(entry("user:alice"), "0 3000");
}

TEST_F(RevocationRecords, outlive_the_longest_token_that_they_take_back) {
  constexpr std::int64_t leeway_s = 600;  // Of gateways, for clocks that differ.
  EXPECT_GE(revoked_until_s(morning_s), morning_s + token_lifetime_s_max + leeway_s);
  EXPECT_GE(revoked_until_after_s(morning_s), morning_s + leeway_s);
  add_grant_with_code("g1", "s1");
  ASSERT_EQ(redeem("g1"), Redeemed::good);
  ASSERT_TRUE(sign_out("s1"));
  EXPECT_EQ(entry("g1"), cat(0, ' ', revoked_until_s(morning_s)));
  const auto feed = [&](std::int64_t at_s) {
    std::shared_ptr<const RevocationFeed> out;
    rows(cat("INSERT INTO facts (name, value) VALUES ('swept_until', '", at_s,
             "') ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
    EXPECT_TRUE(store_->run([&](Database& d) -> Result<void> {
      auto read = load_feed(d, nullptr, {1'000, at_s * 1000});
      if (!read) return std::unexpected(read.error());
      out = *read;
      return {};
    }));
    return out->log.behind(0);
  };
  EXPECT_NE(feed(morning_s + token_lifetime_s_max + leeway_s - 1).find("g1"), std::string::npos);
  EXPECT_EQ(feed(revoked_until_s(morning_s) + 86'400).find("g1"), std::string::npos) << "nothing is told for ever";
}

TEST_F(RevocationRecords, of_a_code_that_waits_are_none_and_it_gives_nothing_any_more) {
  add_grant_with_code("g1", "s1");
  ASSERT_TRUE(sign_out("s1"));
  EXPECT_EQ(count("revocations"), 0) << "it gave nothing that somebody could show";
  EXPECT_EQ(redeem("g1"), Redeemed::revoked);
  EXPECT_EQ(redeem("g1"), Redeemed::replayed);
}

TEST_F(RevocationRecords, of_a_code_that_was_redeemed_before_take_back_what_it_gave) {
  add_grant_with_code("g1", "s1");
  add_grant_with_code("g2", "s2");
  ASSERT_EQ(redeem("g1"), Redeemed::good);
  ASSERT_TRUE(sign_out("s1"));
  EXPECT_EQ(count("revocations WHERE kind = 'grant' AND value = 'g1'"), 1);
  EXPECT_EQ(redeem("g2"), Redeemed::good) << "another session goes on";
  EXPECT_EQ(count("revocations"), 1);
}

TEST_F(RevocationRecords, of_a_grant_that_no_code_led_to_are_told) {
  GrantRecord device;
  device.id = "d1";
  device.client = "tv";
  device.subject = "user:alice";
  device.expires_s = morning_s + 1000;
  ASSERT_TRUE(store_->run([&](Database& d) { return add_grant(d, device); }));
  ASSERT_TRUE(store_->run([&](Database& d) { return revoke_grant(d, "d1", revoked_until_s(morning_s), morning); }));
  EXPECT_EQ(count("revocations WHERE kind = 'grant' AND value = 'd1'"), 1);
  ASSERT_TRUE(store_->run([&](Database& d) { return revoke_grant(d, "d1", revoked_until_s(morning_s), morning); }));
  EXPECT_EQ(count("revocations"), 1) << "once";
}

TEST_F(RevocationRecords, are_not_made_for_a_code_whose_time_is_over) {
  add_grant_with_code("g1", "s1");
  EXPECT_EQ(redeem("g1", 60), Redeemed::unknown);
  EXPECT_EQ(redeem("g1", 59), Redeemed::replayed) << "it was shown before, whatever the clock says";
  add_grant_with_code("g2", "s1");
  EXPECT_EQ(redeem("g2", 59), Redeemed::good);
}

}  // namespace
}  // namespace keepgate::oauth

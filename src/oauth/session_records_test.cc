#include "oauth/session_records.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "oauth/grant_records.h"
#include "oauth/schema.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

constexpr std::int64_t then_s = 1'700'000'000;

Now at(std::int64_t seconds_later) { return {seconds_later * 1000, (then_s + seconds_later) * 1000}; }

class Sessions : public testing::Test {
 protected:
  void SetUp() override {
    store_ = store::test::open_store(store::test::sqlite_address(folder_.path() / "store.db"), schema());
    ASSERT_NE(store_, nullptr);
    settings_.session_lifetime_s = 1000;
    settings_.session_idle_s = 300;
  }

  SessionRecord begin(std::string cookie, std::string old_cookie = {}, std::string user = "alice") {
    SessionRecord out;
    const auto done = store_->run([&](store::Database& database) -> Result<void> {
      auto begun = begin_session(database, {cookie, old_cookie, user, {"pwd", "otp"}}, settings_, at(0));
      if (!begun) return std::unexpected(begun.error());
      out = *begun;
      return {};
    });
    EXPECT_TRUE(done);
    return out;
  }

  std::optional<SessionRecord> find(std::string_view cookie, std::int64_t seconds_later) {
    std::optional<SessionRecord> out;
    const auto done = store_->run([&](store::Database& database) -> Result<void> {
      auto found = find_session(database, cookie, settings_, at(seconds_later));
      if (!found) return std::unexpected(found.error());
      out = std::move(*found);
      return {};
    });
    EXPECT_TRUE(done);
    return out;
  }

  TempFolder folder_;
  Settings settings_;
  std::unique_ptr<store::Transactor> store_;
};

TEST_F(Sessions, whoever_has_the_cookie_is_who_signed_in) {
  const SessionRecord begun = begin("cookie");
  const auto found = find("cookie", 10);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, begun.id);
  EXPECT_EQ(found->user, "alice");
  EXPECT_EQ(found->methods, (std::vector<std::string>{"pwd", "otp"}));
  EXPECT_EQ(found->authenticated_s, then_s);
  EXPECT_FALSE(find("cookies", 10));
  EXPECT_FALSE(find("", 10));
  EXPECT_FALSE(find(hash_of_token("cookie"), 10)) << "what the store holds opens nothing";
}

TEST_F(Sessions, end_when_nobody_uses_them) {
  begin("cookie");
  EXPECT_TRUE(find("cookie", 299));
  EXPECT_TRUE(find("cookie", 598)) << "its last use was noted";
  EXPECT_FALSE(find("cookie", 898));
}

TEST_F(Sessions, end_after_their_time_however_often_they_are_used) {
  begin("cookie");
  for (std::int64_t later = 0; later < 1000; later += 100) EXPECT_TRUE(find("cookie", later)) << later;
  EXPECT_FALSE(find("cookie", 1000));
}

TEST_F(Sessions, end_earlier_when_the_configuration_says_so_now) {
  begin("cookie");
  settings_.session_lifetime_s = 100;
  EXPECT_TRUE(find("cookie", 99));
  EXPECT_FALSE(find("cookie", 100));
}

TEST_F(Sessions, a_sign_in_ends_the_session_that_was_there) {
  const SessionRecord before = begin("planted"), after = begin("cookie", "planted", "bob");
  EXPECT_FALSE(find("planted", 1)) << "whoever planted it has nothing";
  EXPECT_TRUE(find("cookie", 1));
  EXPECT_NE(before.id, after.id);
}

TEST_F(Sessions, go_on_under_their_id_when_their_user_signs_in_again) {
  const SessionRecord before = begin("first"), after = begin("second", "first");
  EXPECT_EQ(before.id, after.id) << "a sign-out ends what was given before, too";
  EXPECT_FALSE(find("first", 1)) << "its cookie does not";
  EXPECT_TRUE(find("second", 1));
  EXPECT_NE(begin("third", "unknown").id, after.id);
  EXPECT_NE(begin("fourth", "second", "bob").id, after.id) << "somebody else is in another session";
  EXPECT_NE(begin("fifth", "fourth").id, after.id);
}

TEST_F(Sessions, cookies_are_random) {
  const std::string a = make_session_cookie(), b = make_session_cookie();
  EXPECT_NE(a, b);
  EXPECT_GE(a.size(), 43U);
}

}  // namespace
}  // namespace keepgate::oauth

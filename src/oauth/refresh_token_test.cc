#include "oauth/refresh_token.h"

#include <gtest/gtest.h>

#include "oauth/grant_records.h"
#include "oauth/schema.h"
#include "oauth/service.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

constexpr std::int64_t start_s = 1'900'000'000;

Now seconds_on(std::int64_t seconds) { return {seconds * 1000, (start_s + seconds) * 1000}; }

class Families : public testing::Test {
 protected:
  void SetUp() override {
    transactor = store::test::open_store(store::test::sqlite_address(folder.path() / "store.db"), schema());
    ASSERT_NE(transactor, nullptr);
    grant.id = make_token("");
    grant.client = "web";
    grant.subject = "user:alice";
    grant.expires_s = start_s + 30 * 86'400;
    in_store([&](store::Database& database) { return oauth::add_grant(database, grant); });
  }
  template <typename Do>
  void in_store(Do action) {
    const Result<void> done = transactor->run([&](store::Database& database) -> Result<void> {
      auto out = action(database);
      if (!out) return std::unexpected(out.error());
      return {};
    });
    EXPECT_TRUE(done.has_value()) << done.error().detail;
  }
  std::string begin() {
    const std::string token = make_refresh_token(service, grant.id, make_token(""));
    give(token);
    return token;
  }
  void give(const std::string& token) {
    in_store(
        [&](store::Database& database) { return add_refresh_token(database, token, grant, 86'400, seconds_on(0)); });
  }
  RefreshUse use_of(std::string token) const {
    RefreshUse use;
    use.successor = successor_of_token(service, token);
    use.family = family_of_token(service, token);
    use.token = std::move(token);
    use.client = "web";
    use.lifetime_s = 86'400;
    use.tokens_until_s = start_s + 86'400;
    return use;
  }
  Redeemed rotate(const RefreshUse& use, std::int64_t seconds) {
    Redeemed out = Redeemed::unknown;
    in_store([&](store::Database& database) -> Result<void> {
      const auto done = rotate_refresh_token(database, use, seconds_on(seconds));
      if (!done) return std::unexpected(done.error());
      out = done->what;
      return {};
    });
    return out;
  }
  std::int64_t rows() {
    return store::number_of(store::test::rows_of(*transactor, "SELECT COUNT(*) FROM refresh_tokens")[0][0]);
  }
  bool is_revoked() { return !store::is_null(store::test::rows_of(*transactor, "SELECT revoked_s FROM grants")[0][0]); }

  TempFolder folder;
  Service service{ServiceOptions{}};
  GrantRecord grant;
  std::unique_ptr<store::Transactor> transactor;
};

TEST_F(Families, that_rotate_every_minute_for_a_day_are_two_rows) {
  std::string token = begin();
  for (int minute = 1; minute <= 1'440; ++minute) {
    const RefreshUse use = use_of(token);
    ASSERT_EQ(rotate(use, minute * 60), Redeemed::good) << minute;
    token = use.successor;
    ASSERT_LE(rows(), 2) << minute;
  }
  EXPECT_FALSE(is_revoked());
}

// RFC 9700 §4.14.2, also long after the row of the token is gone.
TEST_F(Families, end_when_any_of_their_tokens_comes_again_however_old) {
  const std::string first = begin();
  std::string token = first;
  for (int minute = 1; minute <= 100; ++minute) {
    const RefreshUse use = use_of(token);
    ASSERT_EQ(rotate(use, minute * 60), Redeemed::good);
    token = use.successor;
  }
  EXPECT_EQ(rotate(use_of(first), 7'000), Redeemed::replayed);
  EXPECT_TRUE(is_revoked());
  EXPECT_EQ(rotate(use_of(token), 7'001), Redeemed::revoked);
  EXPECT_EQ(rotate(use_of(first), 7'002), Redeemed::revoked);
}

TEST_F(Families, are_not_ended_by_whoever_has_not_the_client_the_key_or_the_token) {
  const std::string first = begin();
  std::string token = first;
  for (int minute = 1; minute <= 3; ++minute) {
    const RefreshUse use = use_of(token);
    ASSERT_EQ(rotate(use, minute * 60), Redeemed::good);
    token = use.successor;
  }
  RefreshUse others = use_of(first);
  others.client = "other";
  EXPECT_EQ(rotate(others, 300), Redeemed::not_yours);
  // Somebody who knows the grant's id (it stands in access tokens) writes a token of it.
  std::string forged = first;
  forged[10] = forged[10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(rotate(use_of(forged), 300), Redeemed::unknown);
  const std::size_t tag = first.rfind('.');
  EXPECT_EQ(rotate(use_of(first.substr(0, tag)), 300), Redeemed::unknown);
  EXPECT_EQ(rotate(use_of(first.substr(0, tag + 1)), 300), Redeemed::unknown);
  EXPECT_EQ(rotate(use_of(first + "A"), 300), Redeemed::unknown);
  store::test::rows_of(*transactor, "UPDATE grants SET bound_key = 'k'");
  EXPECT_EQ(rotate(use_of(first), 300), Redeemed::misfits);
  EXPECT_FALSE(is_revoked());
  RefreshUse with_key = use_of(token);
  with_key.bound_key = "k";
  EXPECT_EQ(rotate(with_key, 301), Redeemed::good);
  with_key = use_of(first);
  with_key.bound_key = "k";
  EXPECT_EQ(rotate(with_key, 302), Redeemed::replayed);
}

TEST_F(Families, keep_what_the_grace_needs) {
  const std::string first = begin();
  RefreshUse use = use_of(first);
  use.grace_s = 60;
  ASSERT_EQ(rotate(use, 10), Redeemed::good);
  EXPECT_EQ(rotate(use, 70), Redeemed::good) << "the answer was lost: the same successor again";
  EXPECT_EQ(rows(), 2);
  RefreshUse next = use_of(use.successor);
  next.grace_s = 60;
  ASSERT_EQ(rotate(next, 71), Redeemed::good);
  EXPECT_FALSE(is_revoked());
  EXPECT_EQ(rotate(use, 72), Redeemed::replayed) << "its successor was used";
}

TEST_F(Families, behind_the_grace_a_second_use_is_a_replay) {
  const std::string first = begin();
  RefreshUse use = use_of(first);
  use.grace_s = 60;
  ASSERT_EQ(rotate(use, 10), Redeemed::good);
  EXPECT_EQ(rotate(use, 71), Redeemed::replayed);
}

TEST_F(Families, of_a_version_before_this_one_go_on_as_they_were) {
  const std::string first = make_token(refresh_prefix);
  give(first);
  std::string token = first;
  for (int minute = 1; minute <= 5; ++minute) {
    const RefreshUse use = use_of(token);
    EXPECT_EQ(use.family, "");
    ASSERT_EQ(rotate(use, minute * 60), Redeemed::good);
    token = use.successor;
  }
  EXPECT_EQ(rows(), 6) << "what does not prove itself has to be kept";
  EXPECT_EQ(rotate(use_of(first), 400), Redeemed::replayed);
}

TEST_F(Families, are_found_by_any_of_their_tokens_to_be_taken_back) {
  const std::string first = begin();
  const RefreshUse use = use_of(first), next = use_of(use.successor);
  ASSERT_EQ(rotate(use, 60), Redeemed::good);
  ASSERT_EQ(rotate(next, 120), Redeemed::good);
  const auto found = [&](const std::string& token) {
    std::string out;
    in_store([&](store::Database& database) -> Result<void> {
      const auto family = find_family(database, token, family_of_token(service, token));
      if (!family) return std::unexpected(family.error());
      out = *family ? (*family)->id : "";
      return {};
    });
    return out;
  };
  for (const std::string& token : {first, use.successor, next.successor}) EXPECT_EQ(found(token), grant.id);
  EXPECT_EQ(found(first.substr(0, first.size() - 1)), "");
  EXPECT_EQ(found(make_token(refresh_prefix)), "");
}

TEST(RefreshToken, follows_from_the_one_before_it_and_stays_in_its_family) {
  const Service service{ServiceOptions{}};
  const std::string token = make_refresh_token(service, "grant-1", "secret");
  EXPECT_TRUE(token.starts_with("kgr_grant-1.secret."));
  EXPECT_EQ(family_of_token(service, token), "grant-1");
  EXPECT_EQ(successor_of_token(service, token), successor_of_token(service, token));
  EXPECT_NE(successor_of_token(service, token), token);
  EXPECT_EQ(family_of_token(service, successor_of_token(service, token)), "grant-1");
  EXPECT_EQ(family_of_token(service, "kgr_"), "");
  EXPECT_EQ(family_of_token(service, "kgr_."), "");
  EXPECT_EQ(family_of_token(service, ""), "");
  EXPECT_EQ(family_of_token(service, token + std::string(300, 'a')), "");
}

}  // namespace
}  // namespace keepgate::oauth

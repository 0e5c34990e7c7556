#include "oauth/key_ring.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "oauth/schema.h"
#include "oauth/settings.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

constexpr std::int64_t then_s = 1'700'000'000;

Now at(std::int64_t seconds_later) { return {seconds_later * 1000, (then_s + seconds_later) * 1000}; }

class SigningKeys : public testing::Test {
 protected:
  void SetUp() override {
    store_ = store::test::open_store(store::test::sqlite_address(folder_.path() / "store.db"), schema());
    ASSERT_NE(store_, nullptr);
    settings_.key_rotation_s = 1000;
    run([&](store::Database& database) { return maintain_keys(database, settings_, wrapping_key_, at(0), 0); });
  }

  void run(const store::Transactor::Job& job) {
    const auto done = store_->run(job);
    ASSERT_TRUE(done) << done.error().detail;
  }

  std::shared_ptr<const KeyRing> ring() {
    std::shared_ptr<const KeyRing> out;
    run([&](store::Database& database) -> Result<void> {
      auto loaded = load_keys(database, settings_, wrapping_key_);
      if (!loaded) return std::unexpected(loaded.error());
      out = std::move(*loaded);
      return {};
    });
    return out;
  }

  bool retire(std::string_view id, std::int64_t seconds_later) {
    bool out = false;
    run([&](store::Database& database) -> Result<void> {
      const auto retired = retire_key(database, settings_, wrapping_key_, id, at(seconds_later));
      if (!retired) return std::unexpected(retired.error());
      out = *retired;
      return {};
    });
    return out;
  }

  std::int64_t number(std::string_view statement) {
    std::int64_t out = -1;
    run([&](store::Database& database) -> Result<void> {
      const auto rows = database.run(statement);
      if (!rows) return std::unexpected(rows.error());
      out = rows->empty() ? -1 : store::number_of((*rows)[0][0]);
      return {};
    });
    return out;
  }

  TempFolder folder_;
  std::unique_ptr<store::Transactor> store_;
  Settings settings_;
  crypto::SecretText wrapping_key_{std::string_view("0123456789abcdef0123456789abcdef")};
};

TEST_F(SigningKeys, the_next_key_signs_when_the_one_that_signs_is_retired) {
  const std::string stolen = ring()->current(at(10))->key->id(), next = ring()->current(at(1001))->key->id();
  ASSERT_NE(stolen, next);
  EXPECT_TRUE(retire(stolen, 10));
  const auto now = ring();
  EXPECT_EQ(now->current(at(10))->key->id(), next) << "verifiers have seen it before";
  EXPECT_EQ(now->jwks().find(stolen), std::string::npos);
  EXPECT_EQ(now->size(), 2U) << "and a new one is published to come next";
  EXPECT_EQ(now->current(at(1009))->key->id(), next);
  EXPECT_NE(now->current(at(1011))->key->id(), next) << "it signs as long as any";
  EXPECT_EQ(number("SELECT until_s FROM revocations WHERE kind = 'kid'"), then_s + 10 + stolen_key_s);
  EXPECT_EQ(number("SELECT value FROM versions WHERE name = 'keys'"), 1);
}

TEST_F(SigningKeys, the_one_that_signs_goes_on_when_the_next_one_is_retired) {
  const std::string current = ring()->current(at(10))->key->id(), next = ring()->current(at(1001))->key->id();
  EXPECT_TRUE(retire(next, 10));
  EXPECT_EQ(ring()->current(at(10))->key->id(), current);
  EXPECT_EQ(ring()->size(), 2U);
  EXPECT_NE(ring()->current(at(1001))->key->id(), next);
}

TEST_F(SigningKeys, all_of_them_can_be_retired_and_new_ones_sign) {
  const std::string first = ring()->current(at(10))->key->id(), second = ring()->current(at(1001))->key->id();
  EXPECT_TRUE(retire(first, 10));
  EXPECT_TRUE(retire(second, 10));
  const auto now = ring();
  ASSERT_NE(now->current(at(10)), nullptr);
  EXPECT_EQ(now->jwks().find(first), std::string::npos);
  EXPECT_EQ(now->jwks().find(second), std::string::npos);
  EXPECT_EQ(number("SELECT value FROM versions WHERE name = 'keys'"), 2);
}

TEST_F(SigningKeys, a_key_that_is_not_in_the_store_is_on_the_list_and_changes_no_other) {
  const std::string jwks = ring()->jwks();
  EXPECT_FALSE(retire("of-a-file", 10));
  EXPECT_EQ(ring()->jwks(), jwks);
  EXPECT_EQ(number("SELECT COUNT(*) FROM revocations WHERE kind = 'kid' AND value = 'of-a-file'"), 1);
  EXPECT_EQ(number("SELECT value FROM versions WHERE name = 'keys'"), -1);
}

}  // namespace
}  // namespace keepgate::oauth

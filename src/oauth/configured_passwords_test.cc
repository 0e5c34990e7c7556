#include "oauth/configured_passwords.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "oauth/schema.h"
#include "oauth/session_records.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

constexpr Now now{0, 1'700'000'000'000};

class ConfiguredPasswords : public testing::Test {
 protected:
  void SetUp() override {
    store_ = store::test::open_store(store::test::sqlite_address(folder_.path() / "store.db"), schema());
    ASSERT_NE(store_, nullptr);
    set("alice", "$6$first");
    set("bob", "$6$of-bob");
    sign_out_changed();
    begin("cookie-of-alice", "alice");
    begin("cookie-of-bob", "bob");
  }

  void set(const std::string& name, const std::string& hash) {
    User user;
    user.name = name;
    user.password_hash = hash;
    settings_.users[name] = std::make_shared<const User>(std::move(user));
  }

  void sign_out_changed() {
    const auto done = store_->run(
        [&](store::Database& database) { return sign_out_changed_users(database, settings_, "the key", now); });
    ASSERT_TRUE(done) << done.error().detail;
  }

  void begin(const std::string& cookie, const std::string& user) {
    const auto done = store_->run([&](store::Database& database) -> Result<void> {
      auto begun = begin_session(database, {cookie, {}, user, {"pwd"}}, settings_, now);
      if (!begun) return std::unexpected(begun.error());
      return {};
    });
    ASSERT_TRUE(done);
  }

  std::string rows(std::string_view statement) {
    std::string out;
    const auto done = store_->run([&](store::Database& database) -> Result<void> {
      const auto found = database.run(statement);
      if (!found) return std::unexpected(found.error());
      out.clear();
      for (const store::Row& row : *found) append(out, out.empty() ? "" : " ", store::text_of(row[0]));
      return {};
    });
    EXPECT_TRUE(done);
    return out;
  }
  std::string signed_in() { return rows("SELECT user_name FROM sessions ORDER BY user_name"); }
  std::string taken_back() { return rows("SELECT value FROM revocations ORDER BY value"); }

  TempFolder folder_;
  std::unique_ptr<store::Transactor> store_;
  Settings settings_;
};

TEST_F(ConfiguredPasswords, nobody_is_signed_out_while_they_stay_as_they_are) {
  sign_out_changed();
  EXPECT_EQ(signed_in(), "alice bob");
  EXPECT_EQ(taken_back(), "");
}

TEST_F(ConfiguredPasswords, who_has_another_one_is_signed_out_and_nobody_else) {
  set("alice", "$6$second");
  sign_out_changed();
  EXPECT_EQ(signed_in(), "bob");
  EXPECT_EQ(taken_back(), "user:alice");
}

TEST_F(ConfiguredPasswords, a_change_counts_once) {
  set("alice", "$6$second");
  sign_out_changed();
  begin("new-cookie", "alice");
  sign_out_changed();
  EXPECT_EQ(signed_in(), "alice bob");
}

TEST_F(ConfiguredPasswords, who_was_away_from_the_configuration_meanwhile_is_noticed_too) {
  settings_.users.erase("alice");
  sign_out_changed();
  EXPECT_EQ(signed_in(), "alice bob") << "leaving it is no new password";
  set("alice", "$6$second");
  sign_out_changed();
  EXPECT_EQ(signed_in(), "bob");
}

TEST_F(ConfiguredPasswords, the_store_has_no_hash_of_them) {
  EXPECT_EQ(rows("SELECT value FROM facts WHERE value LIKE '%first%'"), "");
  EXPECT_EQ(rows("SELECT name FROM facts WHERE name = 'password alice'"), "password alice");
}

}  // namespace
}  // namespace keepgate::oauth

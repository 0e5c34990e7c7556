#include "store/migrations.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

constexpr std::string_view second_tables[] = {"CREATE TABLE users(id TEXT NOT NULL PRIMARY KEY)",
                                              "INSERT INTO users(id) VALUES('first')"};
constexpr std::string_view broken_tables[] = {"CREATE TABLE users(id TEXT NOT NULL PRIMARY KEY)",
                                              "INSERT INTO codes(id, uses) VALUES('half', 1)",
                                              "INSERT INTO nowhere(id) VALUES('first')"};
constexpr Migration two[] = {{1, "first", first_tables}, {2, "second", second_tables}};
constexpr Migration broken[] = {{1, "first", first_tables}, {2, "second", broken_tables}};
constexpr Migration renamed[] = {{1, "another program's", first_tables}};

class Migrations : public EachStore {
 protected:
  Result<std::unique_ptr<Transactor>> open(std::span<const Migration> its) const {
    Transactor::Options options;
    options.address = address;
    options.migrations = its;
    return Transactor::open(options);
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, Migrations, testing::Values(StoreKind::sqlite, StoreKind::postgres), kind_name);

TEST_P(Migrations, run_once_and_in_order) {
  transactor = nullptr;
  for (int i = 0; i < 3; ++i) {
    const auto opened = open(two);
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    EXPECT_EQ(rows_of(**opened, "SELECT id FROM users").size(), 1U);
    const Rows noted = rows_of(**opened, "SELECT number, name FROM store_migrations ORDER BY number");
    ASSERT_EQ(noted.size(), 2U);
    EXPECT_EQ(text_of(noted[1][1]), "second");
  }
}

TEST_P(Migrations, run_once_for_all_who_start_at_once) {
  transactor = nullptr;
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto its = open(two);
      EXPECT_TRUE(its.has_value()) << its.error().detail;
      if (its) ++opened;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, 6);
  const auto after = open(two);
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(rows_of(**after, "SELECT id FROM users").size(), 1U);
}

TEST_P(Migrations, of_a_newer_program_are_refused) {
  transactor = nullptr;
  ASSERT_TRUE(open(two).has_value());
  const auto older = open(migrations);
  ASSERT_FALSE(older.has_value());
  EXPECT_EQ(older.error().code, "store_newer");
  EXPECT_NE(older.error().detail.find("newer Keepgate"), std::string::npos) << older.error().detail;
  EXPECT_TRUE(open(two).has_value());
}

TEST_P(Migrations, of_another_program_are_refused) {
  transactor = nullptr;
  const auto other = open(renamed);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code, "store_newer");
}

TEST_P(Migrations, that_fail_half_way_leave_nothing) {
  transactor = nullptr;
  const auto failed = open(broken);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, "store_broken");
  EXPECT_NE(failed.error().detail.find("'second'"), std::string::npos);
  {
    const auto before = open(migrations);
    ASSERT_TRUE(before.has_value());
    EXPECT_EQ(count_codes(**before), 0);
  }
  const auto after = open(two);
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(rows_of(**after, "SELECT id FROM users").size(), 1U);
}

}  // namespace
}  // namespace keepgate::store::test

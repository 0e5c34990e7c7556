// Stores for tests: one in an SQLite file, and one in a PostgreSQL server if the environment names one.
//
// KEEPGATE_TEST_POSTGRES is the URI of a database where schemas may be made. Thread rule: one owner.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "crypto/random.h"
#include "store/transactor.h"

namespace keepgate::store::test {

inline constexpr std::string_view first_tables[] = {
    "CREATE TABLE codes(id TEXT NOT NULL PRIMARY KEY, uses BIGINT NOT NULL, note TEXT)",
    "CREATE TABLE tokens(id BIGINT NOT NULL PRIMARY KEY, code TEXT NOT NULL REFERENCES codes(id))"};
inline constexpr Migration migrations[] = {{1, "first", first_tables}};

inline Result<void> none(const Result<Rows>& rows) {
  if (!rows) return std::unexpected(rows.error());
  return {};
}

// The code of an error, "" for none: what tests compare.
template <typename T>
std::string code_of(const Result<T>& result) {
  return result ? std::string() : std::string(result.error().code);
}

inline StoreAddress sqlite_address(const std::string& file) {
  const Result<StoreAddress> address = parse_store_address(cat("sqlite:", file));
  KG_ASSERT(address.has_value());
  return *address;
}

inline std::unique_ptr<Transactor> open_store(const StoreAddress& address,
                                              std::span<const Migration> its = migrations) {
  Transactor::Options options;
  options.address = address;
  options.migrations = its;
  Result<std::unique_ptr<Transactor>> opened = Transactor::open(options);
  EXPECT_TRUE(opened.has_value()) << opened.error().detail;
  return opened ? std::move(*opened) : nullptr;
}

inline Result<void> insert_code(Database& database, std::string_view id) {
  return none(database.run("INSERT INTO codes(id, uses) VALUES($1, $2)", {std::string(id), 0}));
}

// Rows of a statement, run by a transactor.
inline Rows rows_of(Transactor& transactor, const std::string& sql, std::vector<Value> values = {}) {
  Rows rows;
  const Result<void> ran = transactor.run([&](Database& database) -> Result<void> {
    Result<Rows> its = database.run(sql, values);
    if (!its) return std::unexpected(its.error());
    rows = std::move(*its);
    return {};
  });
  EXPECT_TRUE(ran.has_value()) << ran.error().code << ' ' << ran.error().detail;
  return rows;
}

inline std::int64_t count_codes(Transactor& transactor) {
  const Rows rows = rows_of(transactor, "SELECT COUNT(*) FROM codes");
  return rows.empty() ? -1 : number_of(rows[0][0]);
}

inline std::string postgres_uri() {
  const char* uri = std::getenv("KEEPGATE_TEST_POSTGRES");
  return uri ? uri : "";
}

// A schema of its own, which is empty and goes with the server.
inline StoreAddress postgres_address_for_test(const std::string& uri = postgres_uri()) {
  const std::string schema = cat("t", crypto::random_u64());
  const Result<StoreAddress> plain = parse_store_address(uri);
  KG_ASSERT(plain.has_value());
  const std::unique_ptr<Transactor> maker = open_store(*plain, {});
  KG_ASSERT(maker != nullptr);
  rows_of(*maker, cat("CREATE SCHEMA ", schema));
  const char sign = uri.find('?') == std::string::npos ? '?' : '&';
  return *parse_store_address(cat(uri, sign, "options=-csearch_path%3D", schema));
}

// The same tests for both kinds.
class EachStore : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    if (GetParam() == StoreKind::postgres) {
      if (postgres_uri().empty()) GTEST_SKIP() << "KEEPGATE_TEST_POSTGRES names no server";
      address = postgres_address_for_test();
    } else {
      address = sqlite_address(folder.path() / "store.db");
    }
    transactor = open_store(address);
    ASSERT_NE(transactor, nullptr);
  }

  TempFolder folder;
  StoreAddress address;
  std::unique_ptr<Transactor> transactor;
};

inline std::string kind_name(const testing::TestParamInfo<StoreKind>& info) {
  return info.param == StoreKind::postgres ? "postgres" : "sqlite";
}

}  // namespace keepgate::store::test

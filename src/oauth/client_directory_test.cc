#include "oauth/client_directory.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "oauth/schema.h"
#include "oauth/stored_clients.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

constexpr Now monday{1'000, 1'900'000'000'000};
constexpr std::int64_t monday_s = 1'900'000'000;

Client app(std::string id, std::string origin, std::string name = "") {
  Client client;
  client.id = std::move(id);
  client.name = std::move(name);
  client.is_public = true;
  client.redirect_uris = {cat(origin, "/cb")};
  client.may_use[static_cast<std::size_t>(Grant::authorization_code)] = true;
  return client;
}

class Directories : public testing::Test {
 protected:
  void SetUp() override {
    transactor = store::test::open_store(store::test::sqlite_address(folder.path() / "store.db"), schema());
    ASSERT_NE(transactor, nullptr);
  }
  template <typename Do>
  void in_store(Do action) {
    const Result<void> done = transactor->run([&](store::Database& database) -> Result<void> {
      const auto out = action(database);
      if (!out) return std::unexpected(out.error());
      return {};
    });
    EXPECT_TRUE(done.has_value()) << done.error().detail;
  }
  void add(const Client& client) {
    in_store([&](store::Database& database) { return add_client(database, client, monday); });
  }
  void change(const Client& client) {
    in_store([&](store::Database& database) { return change_client(database, client, monday); });
  }
  void remove(const std::string& id) {
    in_store([&](store::Database& database) { return remove_client(database, id, monday_s + 10, monday); });
  }
  void sql(const std::string& statement) { store::test::rows_of(*transactor, statement); }
  std::shared_ptr<const ClientDirectory> load(const ClientDirectory* before) {
    std::shared_ptr<const ClientDirectory> out;
    in_store([&](store::Database& database) -> Result<void> {
      auto loaded = load_clients(database, before);
      if (!loaded) return std::unexpected(loaded.error());
      out = std::move(*loaded);
      return {};
    });
    return out;
  }

  TempFolder folder;
  std::unique_ptr<store::Transactor> transactor;
};

TEST_F(Directories, go_on_with_what_changed_and_read_nothing_else) {
  add(app("a", "https://a.example"));
  add(app("b", "https://b.example"));
  const auto first = load(nullptr);
  EXPECT_EQ(first->size(), 2U);
  ASSERT_NE(first->find("a"), nullptr);
  sql("UPDATE clients SET document = 'broken' WHERE id = 'b'");  // Not counted: who goes on does not see it.
  add(app("c", "https://c.example"));
  change(app("a", "https://other.example", "Another name"));
  const auto second = load(first.get());
  EXPECT_EQ(second->size(), 3U);
  EXPECT_EQ(second->find("a")->name, "Another name");
  EXPECT_EQ(second->find("b"), first->find("b")) << "the same object";
  EXPECT_NE(second->find("c"), nullptr);
  EXPECT_EQ(first->find("c"), nullptr) << "what others hold is as it was";
  EXPECT_EQ(first->find("a")->name, "");
  remove("a");
  const auto third = load(second.get());
  EXPECT_EQ(third->find("a"), nullptr);
  EXPECT_EQ(third->size(), 2U);
  add(app("a", "https://a.example", "Back again"));
  EXPECT_EQ(load(third.get())->find("a")->name, "Back again");
  EXPECT_EQ(load(second.get())->find("a")->name, "Back again") << "removed and made again behind it";
  EXPECT_EQ(load(nullptr)->find("b"), nullptr) << "one that cannot be read is left out";
}

TEST_F(Directories, know_the_origins_of_all_clients_and_of_no_other) {
  add(app("a", "https://shared.example"));
  add(app("b", "https://shared.example"));
  add(app("c", "https://Own.example:8443"));
  auto clients = load(nullptr);
  EXPECT_TRUE(clients->has_origin("https://shared.example") && clients->has_origin("https://own.example:8443"));
  EXPECT_FALSE(clients->has_origin("https://own.example"));
  remove("a");
  clients = load(clients.get());
  EXPECT_TRUE(clients->has_origin("https://shared.example")) << "b is still there";
  change(app("c", "https://moved.example"));
  remove("b");
  clients = load(clients.get());
  EXPECT_FALSE(clients->has_origin("https://shared.example") || clients->has_origin("https://own.example:8443"));
  EXPECT_TRUE(clients->has_origin("https://moved.example"));
}

TEST_F(Directories, that_are_too_old_or_of_another_past_are_read_whole) {
  add(app("a", "https://a.example"));
  const auto first = load(nullptr);
  sql("DELETE FROM clients");  // Not noted: only who reads all of them learns it.
  EXPECT_NE(load(first.get())->find("a"), nullptr);
  sql(cat("UPDATE versions SET value = value + ", removed_clients_max, " WHERE name = 'clients'"));
  EXPECT_EQ(load(first.get())->find("a"), nullptr);
  sql("UPDATE versions SET value = 0 WHERE name = 'clients'");
  EXPECT_EQ(load(first.get())->find("a"), nullptr);
}

TEST_F(Directories, of_many_pages_have_all_of_them) {
  const std::string document = write_client(app("x", "https://x.example"));
  sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12001)"
      " INSERT INTO clients (id, document, created_s, changed_s)"
      " SELECT 'c' || i, replace('" +
      document + "', '\"x\"', '\"c' || i || '\"'), 1, 1 FROM n");
  const auto all = load(nullptr);
  EXPECT_EQ(all->size(), 12'001U) << "those of a store from before have no version of their own";
  EXPECT_NE(all->find("c1"), nullptr);
  EXPECT_NE(all->find("c12001"), nullptr);
  add(app("new", "https://new.example"));
  EXPECT_EQ(load(all.get())->size(), 12'002U);
}

TEST_F(Directories, what_is_noted_of_removed_clients_is_bounded) {
  add(app("a", "https://a.example"));
  add(app("b", "https://b.example"));
  remove("a");
  sql(cat("UPDATE versions SET value = value + ", removed_clients_max, " WHERE name = 'clients'"));
  remove("b");
  const auto rows = store::test::rows_of(*transactor, "SELECT id FROM removed_clients");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(store::text_of(rows[0][0]), "b");
}

}  // namespace
}  // namespace keepgate::oauth

#include "oauth/stored_clients.h"

#include "base/bytes.h"
#include "oauth/revocations.h"
#include "oauth/schema.h"
#include "oauth/stored_users.h"
#include "store/store_for_tests.h"

namespace keepgate::oauth {
namespace {

using store::Database;
using store::number_of;
using store::Rows;
using store::text_of;

constexpr Now noon{1'000, 1'900'000'000'000};
constexpr std::int64_t noon_s = 1'900'000'000, later_s = noon_s + 1'000;

Client machine(std::string id) {
  Client client;
  client.id = std::move(id);
  client.secrets = {hash_of_secret("s")};
  client.may_use[static_cast<std::size_t>(Grant::client_credentials)] = true;
  client.scopes = {"orders:read"};
  return client;
}

User person(std::string name) {
  User user;
  user.name = std::move(name);
  user.roles = {"customer"};
  user.claims = {{"email", "a@example.com"}};
  return user;
}

// A store with the tables of the server.
class ServerStores : public testing::Test {
 protected:
  void SetUp() override {
    transactor = store::test::open_store(store::test::sqlite_address(folder.path() / "store.db"), schema());
    ASSERT_NE(transactor, nullptr);
  }
  // In one transaction; its result.
  template <typename Do>
  auto in_store(Do action) {
    decltype(action(std::declval<Database&>())) out = fail(ErrorKind::internal, Blame::us, "not_run");
    const Result<void> done = transactor->run([&](Database& database) -> Result<void> {
      out = action(database);
      if (!out) return std::unexpected(out.error());
      return {};
    });
    EXPECT_TRUE(done.has_value()) << done.error().detail;
    return out;
  }
  void sql(const std::string& statement) { store::test::rows_of(*transactor, statement); }
  std::int64_t count(const std::string& what) {
    return number_of(store::test::rows_of(*transactor, cat("SELECT COUNT(*) FROM ", what))[0][0]);
  }
  std::int64_t version(const std::string& of) {
    return number_of(store::test::rows_of(*transactor, "SELECT value FROM versions WHERE name = $1", {of})[0][0]);
  }
  void add_grant(const std::string& id, const std::string& client, const std::string& subject) {
    store::test::rows_of(*transactor,
                         "INSERT INTO grants (id, client, subject, scopes, audience, facts, bound_key, session,"
                         " created_s, expires_s) VALUES ($1, $2, $3, '', '', '', '', '', 1, 2000000000)",
                         {id, client, subject});
  }
  // "client web before=… until=…" of each entry.
  std::vector<std::string> revoked() {
    std::vector<std::string> out;
    for (const store::Row& row : store::test::rows_of(
             *transactor, "SELECT kind, value, before_s, until_s FROM revocations ORDER BY kind, value")) {
      out.push_back(cat(text_of(row[0]), ' ', text_of(row[1]), ' ', number_of(row[2]), ' ', number_of(row[3])));
    }
    return out;
  }

  TempFolder folder;
  std::unique_ptr<store::Transactor> transactor;
};

TEST_F(ServerStores, keep_clients_each_id_once_and_count_the_version_up) {
  const std::int64_t before = version("clients");
  EXPECT_TRUE(*in_store([](Database& d) { return add_client(d, machine("b"), noon); }));
  EXPECT_TRUE(*in_store([](Database& d) { return add_client(d, machine("a"), noon); }));
  EXPECT_EQ(version("clients"), before + 2);
  EXPECT_FALSE(*in_store([](Database& d) { return add_client(d, machine("a"), noon); }));
  EXPECT_EQ(version("clients"), before + 2) << "nothing changed";
  const auto all = in_store(all_stored_clients);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].id, "a");
  EXPECT_EQ((*all)[0].client->scopes, std::vector<std::string>{"orders:read"});
  EXPECT_EQ((*all)[0].created_s, noon_s);
  EXPECT_FALSE(in_store([](Database& d) { return find_stored_client(d, "A"); })->has_value());
}

TEST_F(ServerStores, change_clients_that_are_there) {
  in_store([](Database& d) { return add_client(d, machine("web"), noon); });
  Client changed = machine("web");
  changed.secrets = {hash_of_secret("new")};
  const std::int64_t before = version("clients");
  EXPECT_TRUE(*in_store([&](Database& d) { return change_client(d, changed, {2'000, later_s * 1000}); }));
  EXPECT_EQ(version("clients"), before + 1);
  const auto found = in_store([](Database& d) { return find_stored_client(d, "web"); });
  EXPECT_EQ((*found)->client->secrets, changed.secrets);
  EXPECT_EQ((*found)->created_s, noon_s);
  EXPECT_EQ((*found)->changed_s, later_s);
  EXPECT_FALSE(*in_store([&](Database& d) { return change_client(d, machine("gone"), noon); }));
}

TEST_F(ServerStores, remove_clients_with_all_that_was_issued_to_them) {
  in_store([](Database& d) { return add_client(d, machine("web"), noon); });
  add_grant("g1", "web", "user:alice");
  add_grant("g2", "other", "user:alice");
  sql("INSERT INTO consents VALUES ('alice', 'web', 'openid', '', 1), ('alice', 'other', 'openid', '', 1)");
  EXPECT_TRUE(*in_store([](Database& d) { return remove_client(d, "web", later_s, noon); }));
  EXPECT_EQ(count("clients"), 0);
  EXPECT_EQ(count("consents"), 1);
  EXPECT_EQ(count("grants WHERE revoked_s = 1900000000 AND client = 'web'"), 1);
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 1);
  // Its grant as well: what others exchanged from its tokens has another client's name.
  EXPECT_EQ(revoked(),
            (std::vector<std::string>{cat("client web ", noon_s + 1, ' ', later_s), cat("grant g1 0 ", later_s),
                                      cat("sub client:web ", noon_s + 1, ' ', later_s)}));
  EXPECT_FALSE(*in_store([](Database& d) { return remove_client(d, "web", later_s, noon); }));
  EXPECT_EQ(revoked().size(), 3U);
}

TEST_F(ServerStores, revoke_what_a_client_has_and_leave_it_there) {
  in_store([](Database& d) { return add_client(d, machine("web"), noon); });
  const std::int64_t before = version("revocations");
  in_store([](Database& d) { return revoke_client(d, "web", later_s, noon); });
  EXPECT_EQ(count("clients"), 1);
  EXPECT_EQ(version("revocations"), before + 2);
  EXPECT_EQ(revoked(), (std::vector<std::string>{cat("client web ", noon_s + 1, ' ', later_s),
                                                 cat("sub client:web ", noon_s + 1, ' ', later_s)}));
}

TEST_F(ServerStores, tell_of_documents_that_cannot_be_used) {
  in_store([](Database& d) { return add_client(d, machine("web"), noon); });
  sql("INSERT INTO clients (id, document, created_s, changed_s) VALUES ('broken', '{}', 1, 1)");
  sql("INSERT INTO clients (id, document, created_s, changed_s) SELECT 'other', document, 1, 1 FROM clients WHERE id = "
      "'web'");
  sql("INSERT INTO users (name, document, created_s, changed_s) VALUES ('broken', '{', 1, 1)");
  const auto clients = in_store(all_stored_clients);
  ASSERT_EQ(clients->size(), 3U);
  EXPECT_FALSE((*clients)[0].client.has_value());
  EXPECT_FALSE((*clients)[0].fault.empty());
  EXPECT_EQ((*clients)[1].fault, "it names another client");
  EXPECT_TRUE((*clients)[2].client.has_value());
  const auto users = in_store(all_stored_users);
  ASSERT_EQ(users->size(), 1U);
  EXPECT_FALSE((*users)[0].user.has_value());
  EXPECT_FALSE((*users)[0].fault.empty());
}

TEST_F(ServerStores, keep_users_each_name_once) {
  EXPECT_TRUE(*in_store([](Database& d) { return add_user(d, person("alice"), noon); }));
  EXPECT_FALSE(*in_store([](Database& d) { return add_user(d, person("alice"), noon); }));
  User changed = person("alice");
  changed.disabled = true;
  EXPECT_TRUE(*in_store([&](Database& d) { return change_user(d, changed, {2'000, later_s * 1000}); }));
  EXPECT_FALSE(*in_store([](Database& d) { return change_user(d, person("bob"), noon); }));
  const auto found = in_store([](Database& d) { return find_stored_user(d, "alice"); });
  EXPECT_TRUE((*found)->user->disabled);
  EXPECT_EQ((*found)->user->claims, changed.claims);
  EXPECT_FALSE((*found)->has_second_factor);
  EXPECT_EQ((*found)->changed_s, later_s);
  EXPECT_FALSE(in_store([](Database& d) { return find_stored_user(d, "Alice"); })->has_value());
}

TEST_F(ServerStores, change_second_factors_and_forget_the_steps_of_the_one_before) {
  in_store([](Database& d) { return add_user(d, person("alice"), noon); });
  sql("INSERT INTO totp_steps VALUES ('alice', 7), ('bob', 8)");
  EXPECT_TRUE(*in_store([](Database& d) { return set_second_factor(d, "alice", "sealed", noon); }));
  EXPECT_TRUE((*in_store([](Database& d) { return find_stored_user(d, "alice"); }))->has_second_factor);
  EXPECT_EQ(count("totp_steps"), 1);
  // Another change leaves it alone.
  in_store([](Database& d) { return change_user(d, person("alice"), noon); });
  EXPECT_TRUE((*in_store([](Database& d) { return find_stored_user(d, "alice"); }))->has_second_factor);
  EXPECT_TRUE(*in_store([](Database& d) { return set_second_factor(d, "alice", "", noon); }));
  EXPECT_FALSE((*in_store([](Database& d) { return find_stored_user(d, "alice"); }))->has_second_factor);
  EXPECT_FALSE(*in_store([](Database& d) { return set_second_factor(d, "bob", "sealed", noon); }));
  EXPECT_EQ(second_factor_purpose("alice"), "totp alice");
}

TEST_F(ServerStores, sign_users_out_everywhere_and_nobody_else) {
  in_store([](Database& d) { return add_user(d, person("alice"), noon); });
  add_grant("g1", "web", "user:alice");
  add_grant("g2", "web", "user:bob");
  sql("INSERT INTO sessions VALUES ('h1', 's1', 'alice', 'pwd', 1, 1, 2), ('h2', 's2', 'bob', 'pwd', 1, 1, 2)");
  sql("INSERT INTO consents VALUES ('alice', 'web', 'openid', '', 1)");
  in_store([](Database& d) { return sign_out_user(d, "alice", later_s, noon); });
  EXPECT_EQ(count("sessions"), 1);
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 1);
  EXPECT_EQ(count("users"), 1);
  EXPECT_EQ(count("consents"), 1) << "it need not be asked again";
  EXPECT_EQ(revoked(), std::vector<std::string>{cat("sub user:alice ", noon_s + 1, ' ', later_s)});
}

TEST_F(ServerStores, remove_users_with_all_that_was_issued_for_them) {
  in_store([](Database& d) { return add_user(d, person("alice"), noon); });
  add_grant("g1", "web", "user:alice");
  sql("INSERT INTO sessions VALUES ('h1', 's1', 'alice', 'pwd', 1, 1, 2)");
  sql("INSERT INTO consents VALUES ('alice', 'web', 'openid', '', 1), ('bob', 'web', 'openid', '', 1)");
  sql("INSERT INTO totp_steps VALUES ('alice', 7)");
  EXPECT_TRUE(*in_store([](Database& d) { return remove_user(d, "alice", later_s, noon); }));
  EXPECT_EQ(count("users"), 0);
  EXPECT_EQ(count("sessions"), 0);
  EXPECT_EQ(count("consents"), 1);
  EXPECT_EQ(count("totp_steps"), 0);
  EXPECT_EQ(count("grants WHERE revoked_s IS NULL"), 0);
  EXPECT_EQ(revoked().size(), 1U);
  EXPECT_FALSE(*in_store([](Database& d) { return remove_user(d, "alice", later_s, noon); }));
}

}  // namespace
}  // namespace keepgate::oauth

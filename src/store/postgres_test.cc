#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>

#include "store/postgres_proxy_for_tests.h"
#include "store/postgres_session.h"
#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

using Mode = PostgresProxy::Mode;

TEST(PostgresUris, of_this_machine_are_told_from_others) {
  for (const std::string_view uri : {"postgres://localhost/kg", "postgres://kg:x@127.0.0.1:5432/kg",
                                     "postgresql://[::1]:5432/kg", "postgresql://kg@localhost?sslmode=disable"}) {
    EXPECT_TRUE(is_local_postgres(uri)) << uri;
  }
  for (const std::string_view uri :
       {"postgres://db.example/kg", "postgres://kg@10.0.0.1/kg", "postgres://localhost@db.example/kg", "postgres:///kg",
        "postgres://localhost.example/kg", "postgres://localhost/kg?host=db.example", "postgres://[::2]/kg",
        "postgres://localhost,db/kg", "postgres://127.0.0.1.example/kg", "postgres://localhost/kg?hostaddr=10.0.0.1"}) {
    EXPECT_FALSE(is_local_postgres(uri)) << uri;
  }
}

// A port where nobody listens; the others are refused before a connection is tried.
TEST(PostgresUris, that_lead_nowhere_fail_without_showing_the_password) {
  for (const std::string uri : {"postgres://kg:hunter2@127.0.0.1:1/kg", "postgres://kg:hunter2@127.0.0.1:hunter2/kg",
                                "postgres://kg:hunter2%zz@127.0.0.1/kg", "postgres://127.0.0.1/kg?hunter2=1",
                                "postgres://kg:hunter2@/kg?host=/nowhere"}) {
    Transactor::Options options;
    options.address = *parse_store_address(uri);
    const auto opened = Transactor::open(options);
    ASSERT_FALSE(opened.has_value()) << uri;
    EXPECT_EQ(opened.error().code, "store_unavailable");
    EXPECT_EQ(opened.error().detail.find("hunter2"), std::string::npos) << opened.error().detail;
  }
}

class LostConnections : public testing::Test {
 protected:
  void SetUp() override {
    if (postgres_uri().empty()) GTEST_SKIP() << "KEEPGATE_TEST_POSTGRES names no server";
    const std::string uri = postgres_uri();
    const std::size_t host = uri.find("host=/");
    ASSERT_NE(host, std::string::npos) << "a server on a Unix socket is needed";
    const std::string server_folder = uri.substr(host + 5, uri.find('&', host) - host - 5);
    direct_address = postgres_address_for_test();
    proxy = std::make_unique<PostgresProxy>(server_folder);
    address = direct_address;
    address.uri.replace(address.uri.find(server_folder), server_folder.size(), proxy->folder());
    transactor = open_store(address);
    ASSERT_NE(transactor, nullptr);
    rows_of(*transactor, "INSERT INTO codes(id, uses) VALUES('a', 0)");
  }

  // Adds one use. What runs twice is seen.
  Result<void> use() {
    return transactor->run([this](Database& database) {
      ++runs;
      return none(database.run("UPDATE codes SET uses = uses + 1 WHERE id = $1", {"a"}));
    });
  }
  std::int64_t uses() const {
    const auto direct = open_store(direct_address);
    return number_of(rows_of(*direct, "SELECT uses FROM codes WHERE id = 'a'")[0][0]);
  }

  StoreAddress direct_address, address;
  std::unique_ptr<PostgresProxy> proxy;
  std::unique_ptr<Transactor> transactor;
  std::atomic<int> runs{0};
};

TEST_F(LostConnections, before_a_job_are_made_good) {
  const auto other = open_store(direct_address);
  rows_of(*other,
          "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
          "application_name = 'keepgate' AND query NOT LIKE '%pg_terminate%'");
  EXPECT_EQ(code_of(use()), "");
  EXPECT_EQ(uses(), 1);
}

TEST_F(LostConnections, before_a_commit_let_the_jobs_run_again) {
  proxy->set(Mode::cut_at_commit);
  EXPECT_EQ(code_of(use()), "");
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(uses(), 1);
}

TEST_F(LostConnections, behind_a_commit_do_not_let_the_jobs_run_again) {
  proxy->set(Mode::cut_at_answer);
  EXPECT_EQ(code_of(use()), "");
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(uses(), 1);
}

TEST_F(LostConnections, behind_a_commit_that_last_leave_it_open_what_became_of_it) {
  proxy->set(Mode::down_at_answer);
  EXPECT_EQ(code_of(use()), "store_unavailable");
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(uses(), 1);
}

TEST_F(LostConnections, that_last_fail_the_jobs_until_the_server_is_back) {
  std::mutex mutex;
  std::condition_variable observed;
  int times = 0;
  transactor->set_observer([&](Database&) {
    const std::lock_guard lock(mutex);
    ++times;
    observed.notify_all();
  });
  proxy->set(Mode::down);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(code_of(use()), "store_unavailable");
  EXPECT_FALSE(transactor->is_reachable());
  const int before = [&] {
    const std::lock_guard lock(mutex);
    return times;
  }();
  proxy->set(Mode::pass);
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(observed.wait_for(lock, std::chrono::seconds(30), [&] { return times > before; }));
  }
  EXPECT_EQ(code_of(use()), "");
  EXPECT_TRUE(transactor->is_reachable());
  EXPECT_EQ(uses(), 1);
  transactor->stop();
}

TEST_F(LostConnections, of_a_frozen_server_are_given_up) {
  proxy->set(Mode::frozen);
  EXPECT_EQ(code_of(use()), "store_unavailable");
  proxy->set(Mode::pass);
  EXPECT_EQ(uses(), 0);
}

TEST_F(LostConnections, do_not_keep_a_transactor_from_stopping) {
  proxy->set(Mode::down);
  std::atomic<int> told{0};
  constexpr int jobs = 500;
  for (int i = 0; i < jobs; ++i) {
    ASSERT_TRUE(transactor->ask([](Database& database) { return insert_code(database, "x"); },
                                [&](const Result<void>&) { ++told; }));
  }
  transactor->stop();
  EXPECT_EQ(told, jobs);
}

TEST_F(LostConnections, let_many_jobs_be_done_once_each) {
  constexpr int jobs = 400;
  int done = 0;
  for (int i = 0; i < jobs; ++i) {
    if (i % 40 == 10) proxy->set(Mode::cut_at_commit);
    if (i % 40 == 30) proxy->set(Mode::cut_at_answer);
    done += use().has_value();
  }
  EXPECT_EQ(done, jobs);
  EXPECT_EQ(uses(), jobs);
}

}  // namespace
}  // namespace keepgate::store::test

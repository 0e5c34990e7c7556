#include "store/transact.h"

#include <gtest/gtest.h>

#include <latch>

#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

class Transacts : public testing::Test {
 protected:
  Transacts() : transactor(open_store(sqlite_address(folder.path() / "store.db"))) {}

  // Runs `use` on a loop until it is over.
  template <typename Use>
  void on_loop(Use use) {
    net::Loop loop;
    ASSERT_TRUE(loop.valid());
    auto mine = std::make_shared<net::ReplyAddress>(loop);
    const auto drive = [](net::Loop& its_loop, std::shared_ptr<net::ReplyAddress> its, Use& its_use) -> net::Detached {
      co_await its_use(its);
      its_loop.stop();
    };
    loop.post(net::make_message([&](net::Loop& its_loop) { drive(its_loop, mine, use); }));
    loop.run();
    mine->close();
  }

  TempFolder folder;
  std::unique_ptr<Transactor> transactor;
};

TEST_F(Transacts, bring_back_what_the_job_found) {
  Result<std::int64_t> found = 0;
  Result<void> inserted = store_broken("none");
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    inserted = co_await transact<void>(*transactor, mine, net::no_deadline,
                                       [](Database& database) { return insert_code(database, "a"); });
    found = co_await transact<std::int64_t>(*transactor, mine, net::no_deadline,
                                            [](Database& database) -> Result<std::int64_t> {
                                              const Result<Rows> rows = database.run("SELECT COUNT(*) FROM codes");
                                              if (!rows) return std::unexpected(rows.error());
                                              return number_of((*rows)[0][0]);
                                            });
  });
  EXPECT_EQ(code_of(inserted), "");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*found, 1);
}

TEST_F(Transacts, bring_back_why_it_failed) {
  Result<std::string> refused;
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    refused = co_await transact<std::string>(*transactor, mine, net::no_deadline, [](Database&) -> Result<std::string> {
      return fail(ErrorKind::refused, Blame::client, "invalid_grant");
    });
  });
  EXPECT_EQ(code_of(refused), "invalid_grant");
}

TEST_F(Transacts, give_up_at_the_deadline_and_begin_nothing_behind_it) {
  auto held = std::make_shared<std::latch>(1);
  std::latch begun(1);
  ASSERT_TRUE(transactor->ask([](Database&) { return Result<void>(); },
                              [&, held](const Result<void>&) {
                                begun.count_down();
                                held->wait();
                              }));
  begun.wait();
  Result<void> late;
  bool has_run = false;
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    const auto job = [&](Database& database) {
      has_run = true;
      return insert_code(database, "late");
    };
    late = co_await transact<void>(*transactor, mine, mine->loop().now().monotonic_ms + 1, job);
  });
  EXPECT_EQ(code_of(late), "store_unavailable");
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  held->count_down();
  EXPECT_EQ(count_codes(*transactor), 0);
  EXPECT_FALSE(has_run);
}

TEST_F(Transacts, take_an_answer_that_comes_after_the_deadline_to_nobody) {
  auto begun = std::make_shared<std::latch>(1);
  auto held = std::make_shared<std::latch>(1);
  Result<void> late;
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    const auto job = [=](Database& database) {
      begun->count_down();
      held->wait();
      return insert_code(database, "late");
    };
    late = co_await transact<void>(*transactor, mine, mine->loop().now().monotonic_ms + 20, job);
    begun->wait();
    held->count_down();
    // Behind the late answer in the mailbox of this loop.
    late = co_await transact<void>(*transactor, mine, net::no_deadline, [](Database&) { return Result<void>(); });
  });
  EXPECT_EQ(code_of(late), "");
  EXPECT_EQ(count_codes(*transactor), 1);
}

TEST_F(Transacts, fail_at_once_when_the_transactor_was_stopped) {
  transactor->stop();
  Result<void> refused;
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    refused = co_await transact<void>(*transactor, mine, net::no_deadline, [](Database&) { return Result<void>(); });
  });
  EXPECT_EQ(code_of(refused), "store_unavailable");
}

TEST_F(Transacts, leave_nothing_behind_when_their_loop_ends_first) {
  auto held = std::make_shared<std::latch>(1);
  Result<void> cancelled;
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    mine->loop().post(net::make_message([](net::Loop& loop) { loop.cancel_all(); }));
    const auto job = [held](Database& database) {
      held->wait();
      return insert_code(database, "a");
    };
    cancelled = co_await transact<void>(*transactor, mine, net::no_deadline, job);
  });
  EXPECT_EQ(code_of(cancelled), "store_unavailable");
  held->count_down();
  transactor->stop();  // Its answer has no loop to go to any more.
}

}  // namespace
}  // namespace keepgate::store::test

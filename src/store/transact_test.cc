#include "store/transact.h"

#include <gtest/gtest.h>

#include <functional>
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

TEST_F(Transacts, undo_what_ends_after_they_have_given_up) {
  auto begun = std::make_shared<std::latch>(1);
  auto held = std::make_shared<std::latch>(1);
  Result<void> late, behind;
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
    behind = co_await transact<void>(*transactor, mine, net::no_deadline, [](Database&) { return Result<void>(); });
  });
  EXPECT_EQ(code_of(late), "store_unavailable");
  EXPECT_EQ(code_of(behind), "");
  EXPECT_EQ(count_codes(*transactor), 0);
}

// The job that is asked for comes to its end; the next one of the same transaction keeps the commit back. Thread rule:
// the loop goes on once the transactor is within the second.
class HeldCommits : public Transacts {
 protected:
  // The transactor's thread stays with a job until the others are in the line, so that they share a commit.
  net::Task<Result<void>> insert_before_a_held_commit(std::shared_ptr<net::ReplyAddress> mine,
                                                      std::int64_t deadline_ms) {
    EXPECT_TRUE(transactor->ask([](Database&) { return Result<void>(); },
                                [this](const Result<void>&) {
                                  is_first_held.count_down();
                                  first.wait();
                                }));
    is_first_held.wait();
    const auto job = [](Database& database) { return insert_code(database, "a"); };
    mine->loop().post(net::make_message([this](net::Loop& loop) {
      EXPECT_TRUE(transactor->ask(
          [this](Database&) {
            is_commit_held.count_down();
            commit.wait();
            return Result<void>();
          },
          [](const Result<void>&) {}));
      first.count_down();
      is_commit_held.wait();
      in_commit(loop);
    }));
    Result<void> outcome = co_await transact<void>(*transactor, mine, deadline_ms, job);
    co_return outcome;
  }

  std::latch is_first_held{1}, first{1}, is_commit_held{1}, commit{1};
  std::function<void(net::Loop&)> in_commit;
};

net::Detached count_down_at(net::Loop& loop, std::int64_t at_ms, std::latch& latch) {
  while (loop.now().monotonic_ms < at_ms) co_await net::SleepUntil(loop, at_ms);
  latch.count_down();
}

TEST_F(HeldCommits, are_waited_for_behind_the_deadline) {
  Result<void> outcome = store_broken("none");
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    const std::int64_t deadline_ms = mine->loop().now().monotonic_ms + 20;
    in_commit = [this, deadline_ms](net::Loop& loop) { count_down_at(loop, deadline_ms + 60, commit); };
    outcome = co_await insert_before_a_held_commit(mine, deadline_ms);
  });
  EXPECT_EQ(code_of(outcome), "");
  EXPECT_EQ(count_codes(*transactor), 1);
}

TEST_F(HeldCommits, are_waited_for_when_the_loop_cancels) {
  Result<void> outcome = store_broken("none");
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    in_commit = [this](net::Loop& loop) {
      loop.cancel_all();
      loop.cancel_all();
      // Behind the wait that goes on: cancelled once more.
      loop.post(net::make_message([this](net::Loop& its) {
        its.cancel_all();
        count_down_at(its, its.now().monotonic_ms + 30, commit);
      }));
    };
    outcome = co_await insert_before_a_held_commit(mine, net::no_deadline);
  });
  EXPECT_EQ(code_of(outcome), "");
  EXPECT_EQ(count_codes(*transactor), 1);
}

TEST_F(HeldCommits, are_not_waited_for_without_a_bound) {
  Result<void> outcome;
  std::int64_t took_ms = 0;
  on_loop([&](std::shared_ptr<net::ReplyAddress> mine) -> net::Task<> {
    const std::int64_t began_ms = mine->loop().now().monotonic_ms;
    in_commit = [](net::Loop& loop) { loop.cancel_all(); };
    outcome = co_await insert_before_a_held_commit(mine, net::no_deadline);
    took_ms = mine->loop().now().monotonic_ms - began_ms;
  });
  commit.count_down();
  EXPECT_EQ(code_of(outcome), "store_unavailable");
  EXPECT_GE(took_ms, cancelled_ms_max + cancelled_commit_ms_max);
}

TEST(Standing, lets_one_side_be_the_first) {
  detail::Transacting<void> one;
  EXPECT_TRUE(one.begin());
  EXPECT_TRUE(one.give_up());
  EXPECT_FALSE(one.end());
  EXPECT_FALSE(one.begin());
  detail::Transacting<void> other;
  EXPECT_TRUE(other.begin() && other.end());
  EXPECT_FALSE(other.give_up());
  EXPECT_TRUE(other.begin());  // Its transaction was lost, and it runs again.
  EXPECT_TRUE(other.give_up());
  EXPECT_FALSE(other.end());
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
  EXPECT_EQ(count_codes(*transactor), 0);
  transactor->stop();  // Its answer has no loop to go to any more.
}

}  // namespace
}  // namespace keepgate::store::test

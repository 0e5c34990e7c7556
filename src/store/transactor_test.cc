#include "store/transactor.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

class Transactors : public EachStore {
 protected:
  // Holds the thread until the returned latch is counted down, so that what is asked meanwhile is one batch.
  std::shared_ptr<std::latch> hold_thread() {
    auto begun = std::make_shared<std::latch>(1);
    auto held = std::make_shared<std::latch>(1);
    EXPECT_TRUE(transactor->ask([](Database&) { return Result<void>(); },
                                [begun, held](const Result<void>&) {
                                  begun->count_down();
                                  held->wait();
                                }));
    begun->wait();
    return held;
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, Transactors, testing::Values(StoreKind::sqlite, StoreKind::postgres), kind_name);

TEST_P(Transactors, keep_what_was_told_to_be_done) {
  EXPECT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "a"); })), "");
  transactor = nullptr;
  transactor = open_store(address);
  EXPECT_EQ(count_codes(*transactor), 1);
}

TEST_P(Transactors, undo_the_job_that_fails_and_keep_the_others_of_its_commit) {
  const auto held = hold_thread();
  std::vector<std::string> outcomes(3, "none");
  std::latch told(3);
  const auto ask = [&](std::size_t at, Transactor::Job job) {
    ASSERT_TRUE(transactor->ask(std::move(job), [&, at](const Result<void>& outcome) {
      outcomes[at] = code_of(outcome);
      told.count_down();
    }));
  };
  const auto commits = transactor->counts().commits;
  ask(0, [](Database& database) { return insert_code(database, "a"); });
  ask(1, [](Database& database) -> Result<void> {
    if (Result<void> inserted = insert_code(database, "b"); !inserted) return inserted;
    return fail(ErrorKind::refused, Blame::client, "invalid_grant");
  });
  ask(2, [](Database& database) { return insert_code(database, "c"); });
  held->count_down();
  told.wait();
  EXPECT_EQ(outcomes, (std::vector<std::string>{"", "invalid_grant", ""}));
  EXPECT_EQ(transactor->counts().commits, commits + 1);
  const Rows rows = rows_of(*transactor, "SELECT id FROM codes ORDER BY id");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(text_of(rows[0][0]), "a");
  EXPECT_EQ(text_of(rows[1][0]), "c");
}

TEST_P(Transactors, undo_a_job_that_fails_alone) {
  EXPECT_EQ(code_of(transactor->run([](Database& database) -> Result<void> {
              if (Result<void> inserted = insert_code(database, "b"); !inserted) return inserted;
              return fail(ErrorKind::refused, Blame::client, "invalid_grant");
            })),
            "invalid_grant");
  EXPECT_EQ(count_codes(*transactor), 0);
}

TEST_P(Transactors, tell_a_conflict_from_a_mistake) {
  const auto insert = [](Database& database) { return insert_code(database, "a"); };
  EXPECT_EQ(code_of(transactor->run(insert)), "");
  EXPECT_EQ(code_of(transactor->run(insert)), "store_conflict");
  const auto run = [&](const std::string& sql, std::vector<Value> values) {
    return code_of(transactor->run([&](Database& database) { return none(database.run(sql, values)); }));
  };
  EXPECT_EQ(run("INSERT INTO tokens(id, code) VALUES($1, $2)", {1, "nobody"}), "store_conflict");
  EXPECT_EQ(run("INSERT INTO tokens(id, code) VALUES($1, $2)", {1, "a"}), "");
  EXPECT_EQ(run("INSERT INTO codes(id, uses) VALUES($1, $2)", {"x", Value()}), "store_conflict");
  EXPECT_EQ(run("SELECT nothing FROM codes", {}), "store_broken");
  EXPECT_EQ(run("SELECT id FROM codes; SELECT id FROM codes", {}), "store_broken");
  EXPECT_EQ(run("SELECT id FROM codes WHERE id = $1", {}), "store_broken");
  EXPECT_EQ(run("SELECT id FROM codes WHERE id = $1", {std::string("a\0b", 3)}), "store_broken");
  EXPECT_EQ(run("SELECT id FROM codes WHERE id = $1", {"\xff"}), "store_broken");
  EXPECT_EQ(run("SELECT id FROM codes WHERE id = $1", {std::string(value_bytes_max + 1, 'x')}), "store_broken");
  EXPECT_EQ(count_codes(*transactor), 1);
}

TEST_P(Transactors, let_no_job_end_its_transaction) {
  for (const std::string sql : {"COMMIT", "ROLLBACK", "SAVEPOINT mine", "RELEASE job", "ROLLBACK TO job"}) {
    const Result<void> outcome = transactor->run([&](Database& database) -> Result<void> {
      if (Result<void> inserted = insert_code(database, "a"); !inserted) return inserted;
      return none(database.run(sql));
    });
    EXPECT_NE(code_of(outcome), "") << sql;
    EXPECT_EQ(count_codes(*transactor), 0) << sql;
  }
}

TEST_P(Transactors, undo_a_job_that_goes_on_behind_a_failure) {
  EXPECT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "a"); })), "");
  std::string second;
  EXPECT_EQ(code_of(transactor->run([&](Database& database) -> Result<void> {
              static_cast<void>(insert_code(database, "b"));
              static_cast<void>(insert_code(database, "a"));
              second = code_of(insert_code(database, "c"));
              return {};
            })),
            "store_broken");
  EXPECT_EQ(second, "store_broken");
  EXPECT_EQ(count_codes(*transactor), 1);
}

TEST_P(Transactors, give_back_what_they_were_given) {
  const std::vector<std::string> texts = {"", "x", "'; DROP TABLE codes", "\xc3\xa9\xe2\x82\xac",
                                          std::string(70'000, 'y')};
  const std::vector<std::int64_t> numbers = {0, -1, INT64_MAX, INT64_MIN, 5'000'000'000};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    rows_of(*transactor, "INSERT INTO codes(id, uses, note) VALUES($1, $2, $3)",
            {cat('n', i), numbers[i], i == 1 ? Value() : Value(texts[i])});
  }
  const Rows rows = rows_of(*transactor, "SELECT id, uses, note FROM codes ORDER BY id");
  ASSERT_EQ(rows.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(text_of(rows[i][0]), cat('n', i));
    EXPECT_EQ(std::get<std::int64_t>(rows[i][1]), numbers[i]);
    if (i == 1) {
      EXPECT_TRUE(is_null(rows[i][2]));
    } else {
      EXPECT_EQ(std::get<std::string>(rows[i][2]), texts[i]);
    }
  }
}

TEST_P(Transactors, understand_the_statements_that_jobs_are_made_of) {
  const std::string insert = "INSERT INTO codes(id, uses) VALUES($1, $2) ON CONFLICT(id) DO NOTHING RETURNING id";
  EXPECT_EQ(rows_of(*transactor, insert, {"a", 0}).size(), 1U);
  EXPECT_EQ(rows_of(*transactor, insert, {"a", 0}).size(), 0U);
  const std::string use = "UPDATE codes SET uses = uses + 1 WHERE id = $2 AND uses < $1 RETURNING uses, note";
  const Rows used = rows_of(*transactor, use, {1, "a"});
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(number_of(used[0][0]), 1);
  EXPECT_TRUE(is_null(used[0][1]));
  EXPECT_EQ(rows_of(*transactor, use, {1, "a"}).size(), 0U);
  EXPECT_EQ(rows_of(*transactor, "SELECT uses FROM codes WHERE id = $1 AND id = $1", {"a"}).size(), 1U);
  EXPECT_EQ(
      rows_of(*transactor, "SELECT id FROM codes WHERE note IS NULL AND uses + $1 > $2", {5'000'000'000, 1}).size(),
      1U);
  const Rows upserted = rows_of(*transactor,
                                "INSERT INTO codes(id, uses, note) VALUES($1, $2, $3) ON CONFLICT(id) DO UPDATE SET "
                                "note = excluded.note RETURNING note, uses",
                                {"a", 7, "new"});
  ASSERT_EQ(upserted.size(), 1U);
  EXPECT_EQ(text_of(upserted[0][0]), "new");
  EXPECT_EQ(number_of(upserted[0][1]), 1);
  const Rows sums = rows_of(*transactor, "SELECT SUM(uses), COUNT(*), MAX(id), uses = 1 FROM codes GROUP BY uses");
  ASSERT_EQ(sums.size(), 1U);
  EXPECT_EQ(number_of(sums[0][0]), 1);
  EXPECT_EQ(number_of(sums[0][1]), 1);
  EXPECT_EQ(text_of(sums[0][2]), "a");
  EXPECT_EQ(number_of(sums[0][3]), 1);
  EXPECT_EQ(rows_of(*transactor, "DELETE FROM codes WHERE uses <= $1 RETURNING id", {1}).size(), 1U);
}

TEST_P(Transactors, share_commits_among_many_jobs) {
  constexpr int jobs = 10'000, askers = 8;
  std::atomic<int> done{0}, failed{0};
  std::latch told(jobs);
  const auto before = transactor->counts().commits;
  std::vector<std::thread> threads;
  for (int asker = 0; asker < askers; ++asker) {
    threads.emplace_back([&, asker] {
      for (int i = 0; i < jobs / askers; ++i) {
        const auto job = [asker, i](Database& database) { return insert_code(database, cat(asker, '-', i)); };
        const auto its = [&](const Result<void>& outcome) {
          ++(outcome ? done : failed);
          told.count_down();
        };
        if (!transactor->ask(job, its)) {
          ++failed;
          told.count_down();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  told.wait();
  EXPECT_EQ(done, jobs);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(count_codes(*transactor), jobs);
  EXPECT_LT(transactor->counts().commits - before, jobs / 10);
}

TEST_P(Transactors, refuse_more_jobs_than_may_wait) {
  transactor = nullptr;
  Transactor::Options options;
  options.address = address;
  options.migrations = migrations;
  options.waiting_max = 2;
  auto opened = Transactor::open(options);
  ASSERT_TRUE(opened.has_value());
  transactor = std::move(*opened);
  const auto held = hold_thread();
  const auto ask = [&] {
    return transactor->ask([](Database&) { return Result<void>(); }, [](const Result<void>&) {});
  };
  EXPECT_TRUE(ask());
  EXPECT_TRUE(ask());
  EXPECT_FALSE(ask());
  held->count_down();
}

TEST_P(Transactors, answer_everybody_when_they_are_stopped) {
  constexpr int jobs = 1'000;
  const auto held = hold_thread();
  std::atomic<int> done{0}, told{0};
  for (int i = 0; i < jobs; ++i) {
    ASSERT_TRUE(transactor->ask([i](Database& database) { return insert_code(database, cat(i)); },
                                [&](const Result<void>& outcome) {
                                  ++told;
                                  if (outcome) ++done;
                                }));
  }
  held->count_down();
  transactor->stop();
  EXPECT_EQ(told, jobs);
  EXPECT_FALSE(transactor->ask([](Database&) { return Result<void>(); }, [](const Result<void>&) {}));
  EXPECT_EQ(code_of(transactor->run([](Database&) { return Result<void>(); })), "store_unavailable");
  transactor = open_store(address);
  EXPECT_EQ(count_codes(*transactor), done);
}

TEST_P(Transactors, show_observers_what_was_committed_before_it_is_told) {
  std::atomic<std::int64_t> seen{-1};
  transactor->set_observer([&](Database& database) {
    const Result<Rows> rows = database.run("SELECT COUNT(*) FROM codes");
    if (rows) seen = number_of((*rows)[0][0]);
  });
  EXPECT_EQ(seen, 0);
  std::int64_t seen_when_told = -1;
  std::latch told(1);
  ASSERT_TRUE(transactor->ask([](Database& database) { return insert_code(database, "a"); },
                              [&](const Result<void>&) {
                                seen_when_told = seen;
                                told.count_down();
                              }));
  told.wait();
  EXPECT_EQ(seen_when_told, 1);
  transactor->stop();  // Here and below: the observer refers to what ends with this function.
}

TEST_P(Transactors, show_observers_what_another_one_committed) {
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t seen = -1;
  transactor->set_observer([&](Database& database) {
    const Result<Rows> rows = database.run("SELECT COUNT(*) FROM codes");
    const std::lock_guard lock(mutex);
    if (rows) seen = number_of((*rows)[0][0]);
    changed.notify_all();
  });
  const auto other = open_store(address);
  ASSERT_EQ(code_of(other->run([](Database& database) { return insert_code(database, "a"); })), "");
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return seen == 1; }));
  }
  transactor->stop();
}

TEST_P(Transactors, let_observers_write_nothing) {
  std::string code = "none";
  transactor->set_observer([&](Database& database) { code = code_of(insert_code(database, "a")); });
  transactor->set_observer(nullptr);
  EXPECT_EQ(code, "store_broken");
  EXPECT_EQ(count_codes(*transactor), 0);
}

TEST_P(Transactors, sweep_in_regular_intervals) {
  ASSERT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "old"); })), "");
  std::latch swept(3);
  std::atomic<int> times{0};
  transactor->set_sweeper(1, [&](Database& database) {
    Result<void> outcome = none(database.run("DELETE FROM codes WHERE uses < $1", {1}));
    if (++times <= 3) swept.count_down();
    return outcome;
  });
  swept.wait();
  EXPECT_EQ(count_codes(*transactor), 0);
  transactor->stop();
}

TEST_P(Transactors, run_jobs_of_two_of_them_as_if_one_after_another) {
  ASSERT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "counter"); })), "");
  const auto other = open_store(address);
  constexpr int jobs = 200;
  std::atomic<int> done{0};
  // Reads first and writes what it read: two of them at once would lose one.
  const auto job = [](Database& database) -> Result<void> {
    const Result<Rows> rows = database.run("SELECT uses FROM codes WHERE id = $1", {"counter"});
    if (!rows) return std::unexpected(rows.error());
    return none(database.run("UPDATE codes SET uses = $1 WHERE id = $2", {number_of((*rows)[0][0]) + 1, "counter"}));
  };
  std::thread theirs([&] {
    for (int i = 0; i < jobs; ++i) done += other->run(job).has_value();
  });
  for (int i = 0; i < jobs; ++i) done += transactor->run(job).has_value();
  theirs.join();
  EXPECT_GT(done, jobs);
  EXPECT_EQ(number_of(rows_of(*transactor, "SELECT uses FROM codes")[0][0]), done);
}

}  // namespace
}  // namespace keepgate::store::test

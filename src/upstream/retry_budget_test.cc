#include "upstream/retry_budget.h"

#include <gtest/gtest.h>

#include <thread>

namespace keepgate::upstream {
namespace {

constexpr std::int64_t start_ms = 1'000'000;

int taken(RetryBudget& budget, std::int64_t now_ms, int wanted) {
  int count = 0;
  for (int i = 0; i < wanted; ++i) count += budget.take(now_ms) ? 1 : 0;
  return count;
}

TEST(RetryBudget, allows_its_percentage_and_not_one_more) {
  RetryBudget budget({.off = false, .percent = 20, .per_second = 0});
  const auto lane = budget.open_lane();
  EXPECT_FALSE(budget.take(start_ms));
  for (int i = 0; i < 100; ++i) lane->requests.add(start_ms);
  EXPECT_EQ(taken(budget, start_ms, 50), 20);
  for (int i = 0; i < 4; ++i) lane->requests.add(start_ms);
  EXPECT_FALSE(budget.take(start_ms));
  lane->requests.add(start_ms);
  EXPECT_TRUE(budget.take(start_ms));
}

TEST(RetryBudget, allows_some_a_second_however_few_requests_there_are) {
  RetryBudget budget({.off = false, .percent = 20, .per_second = 3});
  EXPECT_EQ(taken(budget, start_ms, 100), 30);
}

TEST(RetryBudget, forgets_what_is_older_than_ten_seconds) {
  RetryBudget budget({.off = false, .percent = 100, .per_second = 0});
  const auto lane = budget.open_lane();
  for (int i = 0; i < 10; ++i) lane->requests.add(start_ms);
  EXPECT_EQ(taken(budget, start_ms + 9'000, 20), 10);
  EXPECT_EQ(taken(budget, start_ms + 10'000, 20), 0);
  lane->requests.add(start_ms + 19'000);
  EXPECT_EQ(taken(budget, start_ms + 19'000, 20), 1);  // The retries of 9,000 are forgotten too.
}

TEST(RetryBudget, adds_up_the_requests_of_all_workers_that_are_there) {
  RetryBudget budget({.off = false, .percent = 10, .per_second = 0});
  const auto first = budget.open_lane();
  {
    const auto second = budget.open_lane();
    for (int i = 0; i < 50; ++i) first->requests.add(start_ms);
    for (int i = 0; i < 50; ++i) second->requests.add(start_ms);
    EXPECT_EQ(taken(budget, start_ms, 9), 9);
  }
  EXPECT_EQ(taken(budget, start_ms, 9), 0);
}

TEST(RetryBudget, off_allows_everything) {
  RetryBudget budget({.off = true, .percent = 0, .per_second = 0});
  EXPECT_EQ(taken(budget, start_ms, 1000), 1000);
}

TEST(RetryBudget, is_shared_without_a_race) {
  RetryBudget budget({.off = false, .percent = 50, .per_second = 0});
  std::atomic<int> allowed{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      const auto lane = budget.open_lane();
      for (int request = 0; request < 2000; ++request) {
        lane->requests.add(start_ms);
        if (budget.take(start_ms)) ++allowed;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_LE(allowed, 3000);
  EXPECT_GT(allowed, 0);
}

}  // namespace
}  // namespace keepgate::upstream

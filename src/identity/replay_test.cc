#include "identity/replay.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace keepgate::identity {
namespace {

using Use = ReplayStore::Use;

TEST(ReplayStore, lets_each_id_pass_once) {
  ReplayStore store;
  EXPECT_EQ(store.consume("a", 100, 50), Use::first);
  EXPECT_EQ(store.consume("a", 100, 50), Use::replayed);
  EXPECT_EQ(store.consume("a", 100, 99), Use::replayed);
  EXPECT_EQ(store.consume("a", 900, 99), Use::replayed);
  EXPECT_EQ(store.consume("b", 100, 50), Use::first);
  EXPECT_EQ(store.consume("", 100, 50), Use::first);
  EXPECT_EQ(store.entry_count(), 3u);
}

TEST(ReplayStore, never_calls_an_expired_token_first) {
  ReplayStore store;
  EXPECT_EQ(store.consume("a", 100, 100), Use::replayed);
  EXPECT_EQ(store.consume("b", 0, -5), Use::replayed);
  EXPECT_EQ(store.entry_count(), 0u);
}

TEST(ReplayStore, refuses_when_full_and_forgets_nothing_early) {
  ReplayStore store(100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store.consume(cat("t", i), 100 + i, 50), Use::first) << i;
  EXPECT_EQ(store.consume("one more", 200, 50), Use::full);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store.consume(cat("t", i), 300, 50), Use::replayed) << i;
  EXPECT_EQ(store.entry_count(), 100u);
}

TEST(ReplayStore, reuses_the_room_of_expired_entries) {
  ReplayStore store(100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store.consume(cat("t", i), 100 + i, 50), Use::first);
  EXPECT_EQ(store.consume("x", 500, 109), Use::first);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(store.consume(cat("x", i), 500, 109), Use::first) << i;
  EXPECT_EQ(store.consume("y", 500, 109), Use::full);
  EXPECT_EQ(store.consume("t99", 500, 109), Use::replayed);
  EXPECT_EQ(store.consume("x", 500, 499), Use::replayed);
  EXPECT_EQ(store.consume("x", 900, 500), Use::first);
}

TEST(ReplayStore, of_size_zero_lets_nothing_pass) {
  ReplayStore store(0);
  EXPECT_EQ(store.consume("a", 100, 50), Use::full);
}

TEST(ReplayStore, grows_over_its_shards_to_its_bound) {
  ReplayStore store(32'768);
  int first = 0;
  for (int i = 0; i < 40'000; ++i) first += store.consume(cat("t", i), 100, 50) == Use::first ? 1 : 0;
  EXPECT_LE(first, 32'768);
  EXPECT_GT(first, 30'000);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store.consume(cat("t", i), 100, 50), Use::replayed);
}

TEST(ReplayStore, lets_one_of_many_threads_pass) {
  ReplayStore store;
  std::atomic<int> first = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2'000; ++i) first += store.consume(cat("t", i), 100, 50) == Use::first ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(first, 2'000);
}

}  // namespace
}  // namespace keepgate::identity

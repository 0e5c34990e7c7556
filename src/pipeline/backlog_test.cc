#include "pipeline/backlog.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/log.h"

namespace keepgate::pipeline {
namespace {

const std::string folder = "/tmp";
const std::string missing_folder = "/tmp/keepgate-no-such-folder";
constexpr std::size_t kib = 1024;

std::string numbered(std::size_t bytes, std::size_t seed) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + (seed + i) % 26);
  return out;
}

std::string take_all(Backlog& backlog, std::size_t step) {
  std::string all;
  while (!backlog.empty()) {
    const std::string_view piece = backlog.front().substr(0, step);
    if (piece.empty()) return all + "<cannot be read>";
    all += piece;
    backlog.pop(piece.size());
  }
  return all;
}

TEST(Backlog, is_empty_and_not_full_at_first) {
  BufferPool pool;
  Backlog backlog(pool, 32 * kib, 1 << 20, folder);
  EXPECT_TRUE(backlog.empty());
  EXPECT_FALSE(backlog.full());
  EXPECT_EQ(backlog.front(), "");
}

TEST(Backlog, keeps_the_order_in_memory) {
  BufferPool pool;
  Backlog backlog(pool, 128 * kib, 1 << 20, folder);
  std::string all;
  for (std::size_t i = 0; i < 100; ++i) {
    all += numbered(1000, i);
    backlog.push(numbered(1000, i));
  }
  EXPECT_FALSE(backlog.spilled());
  EXPECT_EQ(backlog.bytes(), all.size());
  EXPECT_EQ(take_all(backlog, 777), all);
}

TEST(Backlog, is_full_at_its_bound_when_there_is_no_file) {
  BufferPool pool;
  Backlog backlog(pool, 100, 0, folder);
  backlog.push(numbered(99, 0));
  EXPECT_FALSE(backlog.full());
  backlog.push("x");
  EXPECT_TRUE(backlog.full());
  EXPECT_FALSE(backlog.spilled());
  backlog.pop(1);
  EXPECT_FALSE(backlog.full());
  backlog.push("more than there is room for stays all the same");
  EXPECT_TRUE(backlog.full());
  EXPECT_EQ(take_all(backlog, 10), numbered(99, 0).substr(1) + "xmore than there is room for stays all the same");
}

TEST(Backlog, goes_to_the_file_beyond_its_memory_and_is_full_when_that_is) {
  BufferPool pool;
  Backlog backlog(pool, 1000, 5000, folder);
  std::string all = numbered(1000, 1);
  backlog.push(all);
  EXPECT_FALSE(backlog.spilled());
  EXPECT_FALSE(backlog.full());
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_FALSE(backlog.full()) << i;
    all += numbered(1000, i);
    backlog.push(numbered(1000, i));
    EXPECT_TRUE(backlog.spilled());
  }
  EXPECT_TRUE(backlog.full());
  all += "beyond";
  backlog.push("beyond");  // Nothing that was handed over is lost.
  EXPECT_EQ(take_all(backlog, 333), all);
  EXPECT_FALSE(backlog.full());
  backlog.push("again");
  EXPECT_EQ(take_all(backlog, 333), "again");
}

TEST(Backlog, without_a_place_for_the_file_it_stays_in_memory_and_says_full) {
  set_log_sink([](LogLevel, std::string_view) {});
  BufferPool pool;
  Backlog backlog(pool, 1000, 1 << 20, missing_folder);
  backlog.push(numbered(1000, 0));
  EXPECT_FALSE(backlog.full());  // Nobody knows yet.
  backlog.push(numbered(1000, 3));
  EXPECT_TRUE(backlog.full());
  EXPECT_FALSE(backlog.spilled());
  EXPECT_EQ(take_all(backlog, 64), numbered(1000, 0) + numbered(1000, 3));
  set_log_sink(nullptr);
}

TEST(Backlog, clear_forgets_everything) {
  BufferPool pool;
  Backlog backlog(pool, 10, 1 << 20, folder);
  backlog.push(numbered(50'000, 0));
  backlog.front();
  backlog.clear();
  EXPECT_TRUE(backlog.empty());
  EXPECT_EQ(backlog.front(), "");
  backlog.push("new");
  EXPECT_EQ(take_all(backlog, 64), "new");
}

TEST(Backlog, any_interleaving_of_pushes_and_pops_keeps_every_byte_in_order) {
  BufferPool pool;
  std::mt19937 random(20261125);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t file_bytes_max = random() % 3 == 0 ? 0 : random() % 200'000;
    Backlog backlog(pool, random() % 100'000, file_bytes_max, folder);
    std::string pushed, popped;
    for (int turn = 0; turn < 60; ++turn) {
      if (random() % 2 == 0) {
        const std::string bytes = numbered(random() % 40'000, random());
        pushed += bytes;
        backlog.push(bytes);
      } else if (!backlog.empty()) {
        const std::string_view piece = backlog.front().substr(0, random() % 50'000 + 1);
        ASSERT_FALSE(piece.empty());
        popped += piece;
        backlog.pop(piece.size());
      }
      ASSERT_EQ(backlog.bytes(), pushed.size() - popped.size());
    }
    popped += take_all(backlog, 10'000);
    ASSERT_EQ(popped, pushed);
    ASSERT_FALSE(backlog.full());
  }
}

}  // namespace
}  // namespace keepgate::pipeline

#include "pipeline/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace keepgate::pipeline {
namespace {

TEST(Buffer, is_empty_until_taken_and_after_release) {
  BufferPool pool;
  Buffer buffer;
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.capacity(), 0U);
  buffer.release();  // Nothing to give back: nothing happens.
  buffer = pool.take(BufferPool::head_bytes);
  EXPECT_TRUE(buffer);
  EXPECT_EQ(buffer.capacity(), BufferPool::head_bytes);
  buffer.release();
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.capacity(), 0U);
  buffer.release();
  EXPECT_FALSE(buffer);
}

TEST(BufferPool, hands_out_the_last_one_given_back_first) {
  BufferPool pool;
  for (const std::size_t bytes : {BufferPool::head_bytes, BufferPool::body_bytes}) {
    Buffer first = pool.take(bytes), second = pool.take(bytes);
    const char* const first_data = first.data();
    const char* const second_data = second.data();
    EXPECT_NE(first_data, second_data);
    first.release();
    second.release();
    const Buffer again = pool.take(bytes), before = pool.take(bytes);
    EXPECT_EQ(again.data(), second_data);
    EXPECT_EQ(before.data(), first_data);
  }
}

TEST(BufferPool, never_hands_out_a_buffer_of_another_size) {
  BufferPool pool;
  const char* const head = pool.take(BufferPool::head_bytes).data();  // Given back at once.
  const Buffer body = pool.take(BufferPool::body_bytes);
  EXPECT_NE(body.data(), head);
  EXPECT_EQ(body.capacity(), BufferPool::body_bytes);
  std::memset(body.data(), 1, body.capacity());
  EXPECT_EQ(pool.take(BufferPool::head_bytes).data(), head);
}

TEST(BufferPool, other_sizes_are_as_large_as_asked) {
  BufferPool pool;
  for (const std::size_t bytes : {std::size_t{1}, BufferPool::head_bytes + 1, BufferPool::body_bytes * 3}) {
    const Buffer buffer = pool.take(bytes);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(buffer.capacity(), bytes);
    std::memset(buffer.data(), 1, bytes);
  }
}

TEST(BufferPool, one_buffer_is_never_held_twice) {
  BufferPool pool;
  std::vector<Buffer> held;
  for (std::size_t i = 0; i < BufferPool::kept_max + 8; ++i) {
    held.push_back(pool.take(BufferPool::head_bytes));
    std::memset(held.back().data(), static_cast<int>(i & 0x7f), BufferPool::head_bytes);
  }
  held.clear();  // More than are kept: the rest goes to the heap.
  std::vector<const char*> seen;
  for (std::size_t i = 0; i < BufferPool::kept_max + 8; ++i) {
    held.push_back(pool.take(BufferPool::head_bytes));
    seen.push_back(held.back().data());
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

TEST(Buffer, moving_leaves_one_owner) {
  BufferPool pool;
  Buffer first = pool.take(BufferPool::head_bytes);
  const char* const data = first.data();
  Buffer second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what a moved buffer is, is what this asks.
  EXPECT_EQ(second.data(), data);
  Buffer third = pool.take(BufferPool::head_bytes);
  const char* const replaced = third.data();
  third = std::move(second);
  EXPECT_FALSE(second);  // NOLINT(bugprone-use-after-move): the buffer that was replaced went back to the pool.
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(pool.take(BufferPool::head_bytes).data(), replaced);
}

}  // namespace
}  // namespace keepgate::pipeline

#include "limit/bucket_table.h"

#include <gtest/gtest.h>

namespace keepgate::limit {
namespace {

constexpr std::uint64_t slow_milli = 1;  // A request in a thousand seconds.

KeyHash key(std::uint64_t number) { return {number, ~number}; }

void add_busy(BucketTable& table, std::uint64_t number) {
  const BucketTable::Index index = table.insert(key(number), 0, slow_milli);
  table.bucket(index).charge(0, 1000);
  table.touch(index);
}

TEST(Bucket, leaks_whole_thousandths_and_never_overflows) {
  EXPECT_EQ((Bucket{0, 0}.excess_with_request(0, 1000)), 1000u);
  EXPECT_EQ((Bucket{5000, 0}.excess_with_request(1, 1999)), 5999u);  // The fraction that leaked is cut off.
  EXPECT_EQ((Bucket{5000, 0}.excess_with_request(INT64_MAX, UINT64_MAX)), 0u);
  EXPECT_EQ((Bucket{5000, 70'000}.elapsed_ms(0)), 1);
  EXPECT_EQ((Bucket{5000, 60'000}.elapsed_ms(0)), 0);
}

TEST(BucketTable, finds_what_was_inserted_and_nothing_else) {
  BucketTable table(32 * 1024);
  for (std::uint64_t i = 0; i < table.capacity(); ++i) table.insert(key(i), 0, slow_milli);
  EXPECT_EQ(table.size(), table.capacity());
  for (std::uint64_t i = 0; i < table.capacity(); ++i) EXPECT_NE(table.find(key(i)), BucketTable::none);
  EXPECT_EQ(table.find(key(table.capacity())), BucketTable::none);
  EXPECT_EQ(table.find({1, 1}), BucketTable::none);  // The same chain and first half.
}

TEST(BucketTable, the_smallest_table_holds_one_key) {
  BucketTable table(0);
  EXPECT_EQ(table.capacity(), 1u);
  table.insert(key(1), 0, slow_milli);
  table.insert(key(2), 0, slow_milli);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.find(key(1)), BucketTable::none);
  EXPECT_NE(table.find(key(2)), BucketTable::none);
}

TEST(BucketTable, displaces_the_idle_entry_that_was_used_longest_ago) {
  BucketTable table(32 * 1024);
  for (std::uint64_t i = 0; i < table.capacity(); ++i) table.insert(key(i), 0, slow_milli);
  table.touch(table.find(key(0)));
  table.insert(key(1'000'000), 0, slow_milli);
  EXPECT_NE(table.find(key(0)), BucketTable::none);
  EXPECT_EQ(table.find(key(1)), BucketTable::none);
}

TEST(BucketTable, displaces_busy_entries_only_when_idle_ones_are_few) {
  BucketTable table(32 * 1024);
  const std::uint64_t busy = table.capacity() / 2;
  for (std::uint64_t i = 0; i < busy; ++i) add_busy(table, i);
  for (std::uint64_t i = busy; i < table.capacity() * 10; ++i) table.insert(key(i), 0, slow_milli);
  for (std::uint64_t i = 0; i < busy; ++i) EXPECT_NE(table.find(key(i)), BucketTable::none) << i;
}

TEST(BucketTable, busy_entries_cannot_fill_it) {
  BucketTable table(32 * 1024);
  for (std::uint64_t i = 0; i < table.capacity() * 3; ++i) add_busy(table, i);
  const std::uint64_t first = 1'000'000, quarter = table.capacity() / 4;
  for (std::uint64_t i = 0; i < quarter; ++i) table.insert(key(first + i), 0, slow_milli);
  for (std::uint64_t i = 0; i < quarter; ++i) EXPECT_NE(table.find(key(first + i)), BucketTable::none) << i;
  EXPECT_EQ(table.size(), table.capacity());
}

TEST(BucketTable, forgets_drained_entries_before_it_is_full) {
  BucketTable table(32 * 1024);
  add_busy(table, 1);
  table.insert(key(2), 0, slow_milli);
  table.insert(key(3), 10'000'000, slow_milli);
  EXPECT_EQ(table.find(key(1)), BucketTable::none);
  EXPECT_EQ(table.find(key(2)), BucketTable::none);
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace keepgate::limit

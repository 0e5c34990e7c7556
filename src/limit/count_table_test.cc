#include "limit/count_table.h"

#include <gtest/gtest.h>

namespace keepgate::limit {
namespace {

KeyHash key_hash(std::uint64_t number) { return {number, ~number}; }

TEST(CountTable, counts_up_to_the_limit_and_not_one_past) {
  CountTable table(32 * 1024);
  EXPECT_TRUE(table.add(key_hash(1), 2));
  EXPECT_TRUE(table.add(key_hash(1), 2));
  EXPECT_FALSE(table.add(key_hash(1), 2));
  EXPECT_TRUE(table.add(key_hash(2), 2)) << "another key has its own count";
  EXPECT_EQ(table.count(key_hash(1)), 2u);
  table.remove(key_hash(1));
  EXPECT_TRUE(table.add(key_hash(1), 2));
}

TEST(CountTable, takes_nothing_under_a_limit_of_zero) {
  CountTable table(32 * 1024);
  EXPECT_FALSE(table.add(key_hash(1), 0));
  EXPECT_EQ(table.size(), 0u);
}

TEST(CountTable, refuses_new_keys_when_full_and_forgets_nobody) {
  CountTable table(32 * 1024);
  for (std::uint64_t i = 0; i < table.capacity(); ++i) EXPECT_TRUE(table.add(key_hash(i), 9));
  EXPECT_FALSE(table.add(key_hash(table.capacity()), 9));
  EXPECT_TRUE(table.add(key_hash(0), 9)) << "who is known is still counted";
  for (std::uint64_t i = 0; i < table.capacity(); ++i) EXPECT_NE(table.count(key_hash(i)), 0u);
  table.remove(key_hash(7));
  EXPECT_TRUE(table.add(key_hash(table.capacity()), 9));
}

TEST(CountTable, is_empty_again_when_everybody_has_gone) {
  CountTable table(32 * 1024);
  for (unsigned round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < table.capacity(); ++i) EXPECT_TRUE(table.add(key_hash(i), 1));
    for (std::uint64_t i = table.capacity(); i-- > 0;) table.remove(key_hash(i));
    EXPECT_EQ(table.size(), 0u);
  }
  EXPECT_FALSE(table.count(key_hash(3)));
}

TEST(CountTable, tells_keys_of_one_chain_apart) {
  CountTable table(0);
  EXPECT_EQ(table.capacity(), 1u);
  EXPECT_TRUE(table.add({1, 1}, 1));
  EXPECT_EQ(table.count({1, 2}), 0u);
  EXPECT_FALSE(table.add({1, 2}, 1));
}

}  // namespace
}  // namespace keepgate::limit

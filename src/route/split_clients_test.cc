#include "route/split_clients.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::route {

namespace {

// Published values of MurmurHash2 with a seed of 0.
TEST(SplitClients, the_hash_is_murmur_2) {
  EXPECT_EQ(murmur_hash2(""), 0U);
  EXPECT_EQ(murmur_hash2("a"), 0x92685f5eU);
  EXPECT_NE(murmur_hash2("abcd"), murmur_hash2("abcde"));
}

TEST(SplitClients, everybody_is_in_one_group_and_stays_there) {
  SplitClients split;
  ASSERT_TRUE(split.add(5'000, "half"));
  ASSERT_TRUE(split.add(2'500, "quarter"));
  ASSERT_TRUE(split.add(0, "rest"));
  unsigned half = 0, quarter = 0;
  constexpr unsigned clients = 4'000;
  for (unsigned i = 0; i < clients; ++i) {
    const std::string name = cat("client", i);
    const std::string& group = split.lookup(name);
    EXPECT_EQ(group, split.lookup(name));
    half += group == "half";
    quarter += group == "quarter";
  }
  EXPECT_NEAR(half, clients / 2, clients / 20);
  EXPECT_NEAR(quarter, clients / 4, clients / 20);
}

TEST(SplitClients, without_a_rest_some_have_no_value_and_more_than_all_is_refused) {
  SplitClients split;
  EXPECT_TRUE(split.add(1, "few"));
  EXPECT_EQ(split.lookup("client"), "");
  EXPECT_TRUE(split.add(9'999, "others"));
  EXPECT_FALSE(split.add(1, "too many"));
  SplitClients whole;
  EXPECT_TRUE(whole.add(0, "everybody"));
  EXPECT_EQ(whole.lookup("client"), "everybody");
  EXPECT_FALSE(whole.add(1, "nobody is left"));
}

}  // namespace

}  // namespace keepgate::route

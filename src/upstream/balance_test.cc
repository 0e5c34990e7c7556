#include "upstream/balance.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace keepgate::upstream {
namespace {

Group group_of(std::initializer_list<Server> servers) {
  Group group;
  group.servers = servers;
  return group;
}

Server server(unsigned weight = 1, bool backup = false, bool down = false) {
  Server one;
  one.weight = weight;
  one.backup = backup;
  one.down = down;
  return one;
}

TEST(Balance, interleaves_weights_smoothly) {
  const Group group = group_of({server(5), server(1), server(1)});
  Balance balance(group);
  std::string order;
  for (int i = 0; i < 7; ++i) order.push_back(static_cast<char>('a' + *balance.pick({}, 0)));
  EXPECT_EQ(order, "aabacaa");  // The published example of nginx's smooth weighted round robin.
}

TEST(Balance, passes_over_servers_that_failed_until_their_time_is_over) {
  const Group group = group_of({server(), server()});
  Balance balance(group);
  balance.failed(0, 1000);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(balance.pick({}, 5000), 1U);
  std::map<std::size_t, int> seen;
  for (int i = 0; i < 4; ++i) ++seen[*balance.pick({}, 1000 + 10'001)];
  EXPECT_EQ(seen[0], 2);
}

TEST(Balance, a_lone_server_is_always_tried) {
  const Group group = group_of({server()});
  Balance balance(group);
  for (int i = 0; i < 5; ++i) balance.failed(0, 0);
  EXPECT_EQ(balance.pick({}, 1), 0U);
  EXPECT_FALSE(balance.pick({true}, 1).has_value());
}

TEST(Balance, backups_serve_only_when_no_primary_can) {
  const Group group = group_of({server(), server(1, true)});
  Balance balance(group);
  EXPECT_EQ(balance.pick({}, 0), 0U);
  balance.failed(0, 0);
  EXPECT_EQ(balance.pick({}, 1), 1U);
}

TEST(Balance, never_picks_a_server_that_is_down_or_was_tried) {
  const Group group = group_of({server(1, false, true), server()});
  Balance balance(group);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(balance.pick({}, 0), 1U);
  EXPECT_FALSE(balance.pick({false, true}, 0).has_value());
}

TEST(Balance, starts_over_when_all_are_considered_failed) {
  const Group group = group_of({server(), server()});
  Balance balance(group);
  balance.failed(0, 0);
  balance.failed(1, 0);
  EXPECT_TRUE(balance.pick({}, 1).has_value());
}

}  // namespace
}  // namespace keepgate::upstream

#include "tls/ticket_keys.h"

#include <gtest/gtest.h>

namespace keepgate::tls {
namespace {

TEST(TicketKeys, a_key_seals_for_one_period_and_opens_for_two) {
  TicketKeys keys(300);
  const TicketKey first = keys.sealing_key(1000);
  EXPECT_EQ(keys.sealing_key(1299).name, first.name);
  const TicketKey second = keys.sealing_key(1300);
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.cipher_key, first.cipher_key);
  EXPECT_NE(second.mac_key, first.mac_key);
  EXPECT_TRUE(keys.opening_key(first.name, 1599));
  EXPECT_FALSE(keys.opening_key(first.name, 1600));
  EXPECT_TRUE(keys.opening_key(second.name, 1600));
}

TEST(TicketKeys, a_long_idle_context_opens_nothing_old) {
  TicketKeys keys(300);
  const TicketKey first = keys.sealing_key(1000);
  EXPECT_FALSE(keys.opening_key(first.name, 10'000));
}

TEST(TicketKeys, keys_of_another_context_are_unknown) {
  TicketKeys mine(300), other(300);
  EXPECT_FALSE(mine.opening_key(other.sealing_key(0).name, 0));
}

}  // namespace
}  // namespace keepgate::tls

#include "oauth/proven_clients.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::oauth {
namespace {

constexpr std::int64_t hour_ms = 3'600'000;

TEST(ProvenClients, knows_who_proved_itself_there_and_nobody_else) {
  ProvenClients clients;
  EXPECT_FALSE(clients.knows("web", "net", 0));
  clients.remember("web", "net", 0);
  EXPECT_TRUE(clients.knows("web", "net", 0));
  EXPECT_FALSE(clients.knows("web", "nest", 0));
  EXPECT_FALSE(clients.knows("we", "bnet", 0));
  EXPECT_FALSE(clients.knows("shipping", "net", 0));
}

TEST(ProvenClients, forgets_after_its_time_and_not_before) {
  ProvenClients clients;
  clients.remember("web", "net", 0);
  EXPECT_TRUE(clients.knows("web", "net", ProvenClients::lifetime_hours * hour_ms));
  EXPECT_FALSE(clients.knows("web", "net", (ProvenClients::lifetime_hours + 1) * hour_ms));
  clients.remember("web", "net", hour_ms);
  EXPECT_TRUE(clients.knows("web", "net", (ProvenClients::lifetime_hours + 1) * hour_ms));
}

TEST(ProvenClients, takes_any_number_and_still_knows_the_last) {
  ProvenClients clients;
  for (std::size_t i = 0; i < 2 * ProvenClients::entries_max; ++i) {
    const std::string id = cat("client", i);
    clients.remember(id, "net", 0);
    ASSERT_TRUE(clients.knows(id, "net", 0));
  }
}

}  // namespace
}  // namespace keepgate::oauth

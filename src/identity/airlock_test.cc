#include "identity/airlock.h"

#include <gtest/gtest.h>

namespace keepgate::identity {
namespace {

TEST(Airlock, always_strips_the_transaction_token_in_every_spelling) {
  const Airlock airlock;
  for (const std::string_view name :
       {"Txn-Token", "txn-token", "TXN-TOKEN", "txn_token", "Txn.Token", "tXn_ToKeN", "txn!token", "txn~token"}) {
    EXPECT_TRUE(airlock.strips(name)) << name;
  }
}

TEST(Airlock, lets_other_names_pass) {
  const Airlock airlock;
  for (const std::string_view name : {"", "T", "Txn-Tokens", "Txn-Toke", "TxnToken", "xTxn-Token", "Txn--Token",
                                      "Authorization", "txn-tokex", "Host"}) {
    EXPECT_FALSE(airlock.strips(name)) << name;
  }
}

TEST(Airlock, strips_the_names_it_was_given) {
  Airlock airlock;
  airlock.add("X-Identity.User");
  airlock.add("x_identity_user");
  airlock.add("_");
  airlock.add("");
  airlock.add(std::string(80, 'a'));
  EXPECT_EQ(airlock.names(), (std::vector<std::string>{"txn-token", "client-cert", "client-cert-chain",
                                                       "x-identity-user", "-", std::string(80, 'a')}));
  EXPECT_TRUE(airlock.strips("X_Identity_User"));
  EXPECT_TRUE(airlock.strips("x-identity-user"));
  EXPECT_TRUE(airlock.strips("."));
  EXPECT_TRUE(airlock.strips(std::string(80, 'A')));
  EXPECT_FALSE(airlock.strips(std::string(79, 'A')));
  EXPECT_FALSE(airlock.strips("X-Identity-Users"));
  EXPECT_TRUE(airlock.strips("Txn-Token"));
}

}  // namespace
}  // namespace keepgate::identity

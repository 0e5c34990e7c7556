#include "auth/principal.h"

#include <gtest/gtest.h>

namespace keepgate::auth {
namespace {

TEST(Principal, is_nobody_by_default) {
  const Principal nobody;
  EXPECT_FALSE(nobody.identified());
  EXPECT_EQ(nobody.describe(), "anonymous");
  EXPECT_EQ(name_of(nobody.method), "none");
}

TEST(Principal, describes_requester_and_customer) {
  Principal principal;
  principal.service = "spiffe://shop/web";
  EXPECT_EQ(principal.describe(), "spiffe://shop/web");
  principal.service = "orders";
  EXPECT_EQ(principal.describe(), "service:orders");
  principal.user = "alice";
  EXPECT_EQ(principal.describe(), "service:orders on behalf of user:alice");
  principal.service.clear();
  EXPECT_EQ(principal.describe(), "user:alice");
  EXPECT_TRUE(principal.identified());
}

TEST(Principal, names_its_method) {
  EXPECT_EQ(name_of(AuthMethod::jwt), "jwt");
  EXPECT_EQ(name_of(AuthMethod::transaction_token), "txn-token");
  EXPECT_EQ(name_of(AuthMethod::variable), "variable");
}

}  // namespace
}  // namespace keepgate::auth

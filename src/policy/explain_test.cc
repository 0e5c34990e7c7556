#include <gtest/gtest.h>

#include "base/bytes.h"
#include "policy/testing.h"

namespace keepgate::policy {
namespace {

using test::Ask;
using test::load;

constexpr const char* shop = R"(policies:
  - { id: readers, allow: [client:web, role:staff], permissions: GET, on: { service: orders, paths: /orders/ } }
  - { id: writers, allow: client:web, permissions: PUT, on: { service: orders, paths: /orders/ }, scopes: [w, x] }
  - { id: for-users, allow: client:app, on_behalf_of: "user:*", permissions: GET, on: /me }
  - { id: no-secrets, deny: "*", on: /orders/secret/ }
  - { id: soon, allow: client:new, permissions: GET, on: /orders/, mode: shadow }
)";

Explanation explain(const Policy& policy, const Ask& ask) {
  const auth::Principal principal = test::principal_of(ask);
  return policy.explain({&principal, ask.service, ask.method, ask.path});
}

TEST(Explain, names_the_rule_that_allowed) {
  const auto policy = load(shop);
  const Explanation why = explain(*policy, {"web", "GET", "/orders/7", "orders"});
  EXPECT_EQ(why.decision.verdict, Verdict::allow);
  EXPECT_EQ(why.nearest, "");
  ASSERT_FALSE(why.steps.empty());
  EXPECT_EQ(why.steps[0].rule, "readers");
  EXPECT_EQ(why.steps[0].place, "policy.yaml:2");
  EXPECT_EQ(why.steps[0].why, "matches");
  EXPECT_TRUE(why.steps[0].decided);
  EXPECT_FALSE(why.steps[0].forbids);
}

TEST(Explain, says_what_the_nearest_rule_lacked) {
  const auto policy = load(shop);
  const struct {
    Ask ask;
    std::string_view nearest;
  } cases[] = {
      {{"web", "DELETE", "/orders/7", "orders"},
       "rule readers (policy.yaml:2) would allow it, but method DELETE is not among GET"},
      {{"other", "GET", "/orders/7", "orders"},
       "rule readers (policy.yaml:2) would allow it, but identity client:other is not client:web or role:staff"},
      {{"web", "PUT", "/orders/7", "orders", {}, {"x"}},
       "rule writers (policy.yaml:3) would allow it, but scopes are missing: w"},
      {{"app", "GET", "/me"}, "rule for-users (policy.yaml:4) would allow it, but it is not on behalf of user:*"},
      {{"web", "GET", "/orders/7", "stock"},
       "rule readers (policy.yaml:2) would allow it, but service stock is not orders"},
      {{"web", "GET", "/orders", "orders"},
       "rule readers (policy.yaml:2) would allow it, but path /orders does not match /orders/; a pattern that ends in "
       "/ "
       "means what is below it"},
      {{"new", "GET", "/orders/7"}, "rule soon (policy.yaml:6) would allow it, but it is in shadow mode"},
      {{"web", "GET", "/orders/secret/1", "orders"},
       "rule readers (policy.yaml:2) would allow it, but rule no-secrets denies it, and deny wins"},
      {{"other", "GET", "/orders/secret/1", "orders"},
       "rule readers (policy.yaml:2) would allow it, but identity client:other is not client:web or role:staff; and "
       "rule "
       "no-secrets denies it"},
      {{"nobody", "BREW", "/elsewhere", "tea"}, ""},
  };
  for (const auto& one : cases) {
    const Explanation why = explain(*policy, one.ask);
    EXPECT_EQ(why.decision.verdict, Verdict::deny);
    EXPECT_EQ(why.nearest, one.nearest);
  }
}

TEST(Explain, puts_the_rule_that_denied_first) {
  const auto policy = load(shop);
  const Explanation why = explain(*policy, {"web", "GET", "/orders/secret/1", "orders"});
  ASSERT_GE(why.steps.size(), 2u);
  EXPECT_EQ(why.steps[0].rule, "no-secrets");
  EXPECT_TRUE(why.steps[0].decided);
  EXPECT_TRUE(why.steps[0].forbids);
  EXPECT_EQ(why.steps[1].rule, "readers");
  EXPECT_FALSE(why.steps[1].decided);
}

TEST(Explain, takes_a_request_without_principal_and_writes_no_raw_bytes) {
  const auto policy = load(shop);
  const Explanation why = policy->explain({nullptr, "orders", "GET\n\x1b[2K", "/orders/\x1b"});
  EXPECT_EQ(why.decision.verdict, Verdict::deny);
  for (const auto& step : why.steps) EXPECT_EQ(step.why.find('\x1b'), std::string::npos) << step.why;
  EXPECT_EQ(why.nearest.find('\x1b'), std::string::npos);
}

TEST(Explain, keeps_to_a_few_steps_among_many_rules) {
  std::string text = "policies:\n";
  for (int i = 0; i < 500; ++i) append(text, "  - { allow: c", i, ", on: /same }\n");
  const auto policy = load(text);
  EXPECT_EQ(explain(*policy, {"x", "GET", "/same"}).steps.size(), 10u);
}

}  // namespace
}  // namespace keepgate::policy

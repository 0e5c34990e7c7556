#include <gtest/gtest.h>

#include "policy/testing.h"

namespace keepgate::policy {
namespace {

using test::load;

TEST(RunTests, passes_what_the_policy_does) {
  const auto policy = load(R"(roles:
  admins: [user:alice]
policies:
  - { id: rw, allow: [client:client1, role:admins], permissions: GET/PUT, on: { service: orders, paths: /orders/ } }
  - { id: scoped, allow: client:s, scopes: [x], on: /scoped }
  - { id: health, allow: anonymous, permissions: GET, on: /health }
tests:
  - { as: client:client1, may: [GET /orders/7, PUT /orders/7], may-not: [DELETE /orders/7, GET stock:/orders/7] }
  - { as: client:web on behalf of user:alice, may: GET orders:/orders/7 }
  - { as: client:web, on_behalf_of: user:alice, may: [GET /orders/7] }
  - { as: client:web, roles: [admins], may: [GET /orders/7] }
  - { as: client:web, roles: [], may-not: [GET /orders/7] }
  - { as: client:s, scopes: x, may: [GET /scoped] }
  - { as: client:s, may-not: [GET /scoped] }
  - { as: anonymous, may: [GET /health], may-not: [PUT /health, GET /orders/7] }
  - { as: client:client1, service: stock, may-not: [GET /orders/7] }
)");
  const TestReport report = policy->run_tests();
  EXPECT_EQ(report.passed, 14u);
  for (const auto& failure : report.failures) ADD_FAILURE() << failure.place << ": " << failure.message;
}

TEST(RunTests, reports_what_it_does_not_do_with_its_place_and_rule) {
  const auto policy = load(R"(policies:
  - { id: all, allow: client:a, on: / }
  - { id: no, deny: client:a, on: /no }
tests:
  - as: client:a
    may: [GET /yes, GET /no]
    may-not:
      - DELETE /yes
  - { as: client:b, may: [GET orders:/yes] }
)");
  const TestReport report = policy->run_tests();
  EXPECT_EQ(report.passed, 1u);
  ASSERT_EQ(report.failures.size(), 3u);
  EXPECT_EQ(report.failures[0].place, "policy.yaml:6");
  EXPECT_EQ(
      report.failures[0].message,
      "client:a may not GET /no but must (rule no denies it); rule all (policy.yaml:2) would allow it, but rule no "
      "denies it, and deny wins");
  EXPECT_EQ(report.failures[1].place, "policy.yaml:8");
  EXPECT_EQ(report.failures[1].message, "client:a may DELETE /yes but must not (rule all)");
  EXPECT_EQ(
      report.failures[2].message,
      "client:b may not GET orders:/yes but must (no rule allows it); rule all (policy.yaml:2) would allow it, but "
      "identity client:b is not client:a");
}

TEST(RunTests, asks_for_no_service_where_the_rules_name_two) {
  const auto policy = load(R"(policies:
  - { allow: client:a, on: { service: orders } }
  - { allow: client:a, on: { service: stock } }
  - { allow: client:b, on: / }
tests:
  - { as: client:a, may-not: [GET /x] }
  - { as: client:b, may: [GET /x] }
  - { as: client:a, may: [GET orders:/x, GET stock:/x], may-not: [GET cart:/x] }
)");
  EXPECT_EQ(policy->run_tests().passed, 5u);
}

TEST(RunTests, counts_a_shadow_rule_for_nothing) {
  const auto policy = load("mode: shadow\npolicies: [{allow: a, on: /}]\ntests: [{as: a, may: [GET /x]}]\n");
  ASSERT_EQ(policy->run_tests().failures.size(), 1u);
  EXPECT_NE(policy->run_tests().failures[0].message.find("shadow mode"), std::string::npos);
}

}  // namespace
}  // namespace keepgate::policy

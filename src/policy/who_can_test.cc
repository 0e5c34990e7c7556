#include <gtest/gtest.h>

#include "base/bytes.h"
#include "policy/testing.h"

namespace keepgate::policy {
namespace {

using test::load;

// "identity by rule: condition", one a line.
std::string grants(const Policy& policy, std::string_view method, std::string_view path,
                   std::string_view service = "") {
  std::string out;
  for (const Grant& grant : policy.who_can(service, method, path)) {
    append(out, grant.identity, " by ", grant.rule, grant.condition.empty() ? "" : ": ", grant.condition, "\n");
  }
  return out;
}

TEST(WhoCan, lists_each_name_of_each_rule_that_allows) {
  const auto policy = load(R"(policies:
  - { id: one, allow: [client:web, role:staff, "user:*"], permissions: GET, on: /orders/ }
  - { id: two, allow: "*", on: { service: orders, paths: /orders/open } }
  - { id: three, allow: anonymous, on: /orders/open }
  - { id: four, allow: client:new, on: /, mode: shadow }
)");
  EXPECT_EQ(grants(*policy, "GET", "/orders/7"), "client:web by one\nrole:staff by one\nuser:* by one\n");
  EXPECT_EQ(grants(*policy, "HEAD", "/orders/7"), "");
  EXPECT_EQ(grants(*policy, "PUT", "/orders/open", "orders"), "* (anybody identified) by two\nanonymous by three\n");
  EXPECT_EQ(grants(*policy, "PUT", "/orders/7"), "");
  EXPECT_EQ(grants(*policy, "GET", "/orders"), "");
}

TEST(WhoCan, says_what_else_a_caller_needs) {
  const auto policy = load(R"(policies:
  - { id: one, allow: client:web, on_behalf_of: [user:a, role:r], scopes: [x, y], on: / }
  - { id: two, allow: [anonymous, user:a, user:b], on_behalf_of: user:a, on: / }
)");
  EXPECT_EQ(grants(*policy, "GET", "/"),
            "client:web by one: on behalf of user:a or role:r; with scopes x, y\nuser:a by two: on behalf of user:a\n");
}

TEST(WhoCan, leaves_out_whoever_is_denied_for_certain) {
  const auto policy = load(R"(roles:
  inner: [client:c]
  outer: [role:inner, "service:*"]
policies:
  - { id: all, allow: [client:a, client:b, client:c, service:s, role:inner, role:other, "*", anonymous], on: / }
  - { id: not-b, deny: client:b, on: /b }
  - { id: not-clients, deny: "client:*", on: /clients }
  - { id: not-outer, deny: role:outer, on: /outer }
  - { id: nobody, deny: "*", on: /closed }
  - { id: members, deny: anonymous, on: /members }
)");
  EXPECT_EQ(grants(*policy, "GET", "/b"),
            "client:a by all\nclient:c by all\n"
            "service:s by all: unless also client:b (denied by rule not-b)\n"
            "role:inner by all: unless also client:b (denied by rule not-b)\n"
            "role:other by all: unless also client:b (denied by rule not-b)\n"
            "* (anybody identified) by all: unless also client:b (denied by rule not-b)\nanonymous by all\n");
  EXPECT_EQ(grants(*policy, "GET", "/clients"),
            "service:s by all: unless also client:* (denied by rule not-clients)\n"
            "role:inner by all: unless also client:* (denied by rule not-clients)\n"
            "role:other by all: unless also client:* (denied by rule not-clients)\n"
            "* (anybody identified) by all: unless also client:* (denied by rule not-clients)\nanonymous by all\n");
  EXPECT_EQ(grants(*policy, "GET", "/outer"),
            "client:a by all: unless also role:outer (denied by rule not-outer)\n"
            "client:b by all: unless also role:outer (denied by rule not-outer)\n"
            "role:other by all: unless also role:outer (denied by rule not-outer)\n"
            "* (anybody identified) by all: unless also role:outer (denied by rule not-outer)\nanonymous by all\n");
  EXPECT_EQ(grants(*policy, "GET", "/closed"), "");
  EXPECT_EQ(grants(*policy, "GET", "/members").find("anonymous"), std::string::npos);
}

TEST(WhoCan, tells_denials_by_customer_from_denials_of_the_caller) {
  const auto policy = load(R"(policies:
  - { id: own, allow: client:web, on: /own }
  - { id: some, allow: client:web, on_behalf_of: [user:a, user:b], on: /some }
  - { id: users, allow: ["user:*", user:a], on: /users }
  - { id: not-a, deny: "client:*", on_behalf_of: user:a, on: [/own, /some] }
  - { id: never-a, deny: user:a, on: /users }
)");
  EXPECT_EQ(grants(*policy, "GET", "/own"),
            "client:web by own: unless also client:* on behalf of user:a (denied by rule not-a)\n");
  EXPECT_EQ(grants(*policy, "GET", "/some"), "client:web by some: on behalf of user:b\n");
  EXPECT_EQ(grants(*policy, "GET", "/users"), "user:* by users: unless also user:a (denied by rule never-a)\n");
}

TEST(WhoCan, ignores_shadow_denials) {
  const auto policy = load("policies:\n  - {id: y, allow: a, on: /}\n  - {id: n, deny: a, on: /, mode: shadow}\n");
  EXPECT_EQ(grants(*policy, "GET", "/"), "client:a by y\n");
}

}  // namespace
}  // namespace keepgate::policy

#include <gtest/gtest.h>

#include <array>

#include "base/bytes.h"
#include "policy/testing.h"

namespace keepgate::policy {
namespace {

using test::allows;
using test::Ask;
using test::decide;
using test::load;

constexpr const char* simplest = R"(policies:
  - identity: client1
    permissions: PUT/GET          # also: [PUT, GET], "PUT, GET", or * for all
    on: /orders/
)";

TEST(Authorize, lets_the_simplest_form_do_what_it_says) {
  const auto policy = load(simplest);
  EXPECT_TRUE(allows(*policy, {"client1", "GET", "/orders/7"}));
  EXPECT_TRUE(allows(*policy, {"client1", "PUT", "/orders/"}));
  EXPECT_FALSE(allows(*policy, {"client1", "HEAD", "/orders/7"}));
  EXPECT_TRUE(allows(*policy, {"client1", "GET", "/orders/7", "any-service"}));
  EXPECT_TRUE(allows(*policy, {"client1 on behalf of user:alice", "GET", "/orders/7"}));
}

TEST(Authorize, reads_a_lone_star_as_it_is_written) {
  const auto policy = load("policies:\n  - identity: client1\n    permissions: *   # all\n    on: /orders/\n");
  EXPECT_TRUE(allows(*policy, {"client1", "DELETE", "/orders/7"}));
  EXPECT_FALSE(allows(*policy, {"client2", "DELETE", "/orders/7"}));
  Diagnostics diagnostics;
  const Source alias{"p.yaml", "policies:\n  - identity: client1\n    permissions: *all\n    on: /orders/\n"};
  EXPECT_FALSE(Policy::load({&alias, 1}, diagnostics));
}

TEST(Authorize, denies_when_one_fact_of_the_simplest_form_is_another) {
  const auto policy = load(simplest);
  for (const Ask& ask :
       {Ask{"client2", "GET", "/orders/7"}, Ask{"Client1", "GET", "/orders/7"}, Ask{"client1", "DELETE", "/orders/7"},
        Ask{"client1", "get", "/orders/7"}, Ask{"client1", "GET", "/orders"}, Ask{"client1", "GET", "/Orders/7"},
        Ask{"client1", "GET", "/"}, Ask{"client1", "GET", ""}, Ask{"client1", "", "/orders/7"},
        Ask{"user:client1", "GET", "/orders/7"}, Ask{"service:client1", "GET", "/orders/7"},
        Ask{"anonymous", "GET", "/orders/7"}}) {
    EXPECT_FALSE(allows(*policy, ask)) << ask.as << ' ' << ask.method << ' ' << ask.path;
  }
  EXPECT_EQ(policy->authorize({nullptr, "", "GET", "/orders/7"}).verdict, Verdict::deny);
}

TEST(Authorize, denies_everything_without_rules) {
  const auto policy = load("policies: []\n");
  EXPECT_FALSE(allows(*policy, {"client1", "GET", "/"}));
  EXPECT_EQ(policy->authorize({}).verdict, Verdict::deny);
  Diagnostics diagnostics;
  const auto nothing = Policy::load({}, diagnostics);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(allows(*nothing, {"client1", "GET", "/"}));
}

TEST(Authorize, reads_each_way_to_write_permissions) {
  for (const char* permissions :
       {"PUT/GET", "[PUT, GET]", "\"PUT, GET\"", "PUT, GET", "[PUT/GET]", "\"*\"", "[GET, \"*\"]"}) {
    const auto policy = load(cat("policies:\n  - identity: a\n    on: /\n    permissions: ", permissions, "\n"));
    EXPECT_TRUE(allows(*policy, {"a", "GET", "/x"})) << permissions;
    EXPECT_TRUE(allows(*policy, {"a", "PUT", "/x"})) << permissions;
    const bool every = std::string_view(permissions).find('*') != std::string_view::npos;
    EXPECT_EQ(allows(*policy, {"a", "BREW", "/x"}), every) << permissions;
  }
}

TEST(Authorize, takes_methods_as_written_but_denies_head_with_get) {
  const auto policy = load(R"(policies:
  - { allow: [a, b], permissions: GET, on: /x }
  - { allow: c, permissions: HEAD, on: /x }
  - { allow: "*", permissions: "*", on: /y }
  - { deny: b, permissions: GET, on: /y }
)");
  EXPECT_TRUE(allows(*policy, {"a", "GET", "/x"}));
  EXPECT_FALSE(allows(*policy, {"a", "HEAD", "/x"}));
  EXPECT_TRUE(allows(*policy, {"c", "HEAD", "/x"}));
  EXPECT_FALSE(allows(*policy, {"c", "GET", "/x"}));
  EXPECT_FALSE(allows(*policy, {"b", "HEAD", "/y"}));
  EXPECT_TRUE(allows(*policy, {"b", "PUT", "/y"}));
}

TEST(Authorize, lets_deny_win_whatever_the_order) {
  for (const char* text : {"policies:\n  - {id: n, deny: a, on: /x/}\n  - {id: y, allow: a, on: /}\n",
                           "policies:\n  - {id: y, allow: a, on: /}\n  - {id: n, deny: a, on: /x/}\n"}) {
    const auto policy = load(text);
    EXPECT_EQ(decide(*policy, {"a", "GET", "/x/1"}).rule, "n");
    EXPECT_FALSE(allows(*policy, {"a", "GET", "/x/1"}));
    EXPECT_TRUE(allows(*policy, {"a", "GET", "/x"}));
    EXPECT_EQ(decide(*policy, {"a", "GET", "/x"}).rule, "y");
    EXPECT_EQ(decide(*policy, {"b", "GET", "/x"}).rule, "");
  }
}

TEST(Authorize, names_the_first_rule_as_written_of_several_that_match) {
  const auto policy = load("policies:\n  - {id: one, allow: \"*\", on: /}\n  - {id: two, allow: a, on: /x}\n");
  EXPECT_EQ(decide(*policy, {"a", "GET", "/x"}).rule, "one");
}

TEST(Authorize, tells_clients_users_and_services_apart) {
  const auto policy = load(R"(policies:
  - { allow: client:n, on: /client }
  - { allow: user:n, on: /user }
  - { allow: service:n, on: /service }
  - { allow: spiffe://shop/n, on: /spiffe }
)");
  const std::array<Ask, 4> callers{Ask{"client:n", "GET", "/client"}, Ask{"user:n", "GET", "/user"},
                                   Ask{"service:n", "GET", "/service"}, Ask{"spiffe://shop/n", "GET", "/spiffe"}};
  for (const Ask& caller : callers) {
    for (const Ask& other : callers) {
      EXPECT_EQ(allows(*policy, {caller.as, "GET", other.path}), caller.path == other.path) << caller.as << other.path;
    }
  }
  EXPECT_TRUE(allows(*policy, {"client:x on behalf of user:n", "GET", "/user"}));
  EXPECT_TRUE(allows(*policy, {"client:n on behalf of user:x", "GET", "/client"}));
  EXPECT_FALSE(allows(*policy, {"client:x on behalf of user:n", "GET", "/client"}));
}

TEST(Authorize, matches_wildcards_with_any_named_one_of_the_kind) {
  const auto policy = load(R"(policies:
  - { allow: "client:*", on: /client }
  - { allow: "user:*", on: /user }
  - { allow: "service:*", on: /service }
  - { allow: "*", on: /anybody }
  - { allow: anonymous, on: /open }
)");
  const struct {
    const char* as;
    std::vector<std::string> may;
  } cases[] = {
      {"client:a", {"/client", "/anybody"}},
      {"user:a", {"/user", "/anybody"}},
      {"service:a", {"/service", "/anybody"}},
      {"client:a on behalf of user:b", {"/client", "/user", "/anybody"}},
      {"anonymous", {"/open"}},
  };
  for (const auto& one : cases) {
    for (const std::string path : {"/client", "/user", "/service", "/anybody", "/open"}) {
      const bool expected = std::find(one.may.begin(), one.may.end(), path) != one.may.end();
      EXPECT_EQ(allows(*policy, {one.as, "GET", path}), expected) << one.as << ' ' << path;
    }
  }
}

TEST(Authorize, takes_a_principal_without_a_name_for_anonymous) {
  const auto policy = load(R"(policies:
  - { allow: role:r, on: /role }
  - { allow: "*", on: /anybody }
  - { allow: anonymous, on: /open }
  - { allow: anonymous, on: /scoped, scopes: s }
)");
  auth::Principal nameless;
  nameless.roles = {"r"};
  nameless.scopes = {"s"};
  EXPECT_EQ(policy->authorize({&nameless, "", "GET", "/role"}).verdict, Verdict::deny);
  EXPECT_EQ(policy->authorize({&nameless, "", "GET", "/anybody"}).verdict, Verdict::deny);
  EXPECT_EQ(policy->authorize({&nameless, "", "GET", "/scoped"}).verdict, Verdict::deny);
  EXPECT_EQ(policy->authorize({&nameless, "", "GET", "/open"}).verdict, Verdict::allow);
}

TEST(Authorize, denies_the_anonymous_when_everybody_is_denied) {
  const auto policy = load(R"(policies:
  - { allow: [anonymous, "*"], on: / }
  - { deny: "*", on: /closed/ }
  - { deny: anonymous, on: /members/ }
)");
  EXPECT_TRUE(allows(*policy, {"anonymous", "GET", "/x"}));
  EXPECT_FALSE(allows(*policy, {"anonymous", "GET", "/closed/x"}));
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/closed/x"}));
  EXPECT_FALSE(allows(*policy, {"anonymous", "GET", "/members/x"}));
  EXPECT_TRUE(allows(*policy, {"a", "GET", "/members/x"}));
}

TEST(Authorize, does_not_let_a_name_be_a_wildcard) {
  const auto policy = load("policies:\n  - { allow: client:a, on: / }\n  - { allow: role:r, on: /r }\n");
  auth::Principal star;
  star.client = "*";
  star.roles = {"*"};
  EXPECT_EQ(policy->authorize({&star, "", "GET", "/"}).verdict, Verdict::deny);
  EXPECT_EQ(policy->authorize({&star, "", "GET", "/r"}).verdict, Verdict::deny);
}

constexpr const char* with_roles = R"(roles:
  admins: [client:ops, user:alice, "service:*"]
  staff: [role:admins, role:from-token]
  empty: []
policies:
  - { allow: role:admins, on: /admin }
  - { allow: role:staff, on: /staff }
  - { allow: role:empty, on: /empty }
)";

TEST(Authorize, finds_roles_in_the_policy_and_in_the_token) {
  const auto policy = load(with_roles);
  EXPECT_TRUE(allows(*policy, {"client:ops", "GET", "/admin"}));
  EXPECT_TRUE(allows(*policy, {"client:ops", "GET", "/staff"}));
  EXPECT_TRUE(allows(*policy, {"client:x on behalf of user:alice", "GET", "/staff"}));
  EXPECT_TRUE(allows(*policy, {"spiffe://shop/cart", "GET", "/admin"}));
  EXPECT_TRUE(allows(*policy, {"client:x", "GET", "/admin", "", {"admins"}}));
  EXPECT_TRUE(allows(*policy, {"client:x", "GET", "/staff", "", {"from-token"}}));
  EXPECT_TRUE(allows(*policy, {"client:x", "GET", "/empty", "", {"empty"}}));
}

TEST(Authorize, gives_no_role_that_is_not_held) {
  const auto policy = load(with_roles);
  EXPECT_FALSE(allows(*policy, {"client:x", "GET", "/admin"}));
  EXPECT_FALSE(allows(*policy, {"user:ops", "GET", "/admin"}));
  EXPECT_FALSE(allows(*policy, {"client:x", "GET", "/admin", "", {"staff"}}));
  EXPECT_FALSE(allows(*policy, {"client:x", "GET", "/admin", "", {"Admins"}}));
  EXPECT_FALSE(allows(*policy, {"client:ops", "GET", "/empty"}));
  EXPECT_FALSE(allows(*policy, {"anonymous", "GET", "/admin", "", {"admins"}}));
}

TEST(Authorize, asks_for_the_customer_beside_the_requester) {
  const auto policy = load(R"(roles:
  vip: [user:alice, client:web]
policies:
  - { allow: client:web, on_behalf_of: "user:*", on: /any }
  - { allow: client:web, on_behalf_of: [user:alice, user:bob], on: /named }
  - { allow: client:web, on_behalf_of: role:vip, on: /vip }
  - { allow: "*", on: /all }
  - { deny: client:web, on_behalf_of: user:bob, on: /all }
)");
  EXPECT_TRUE(allows(*policy, {"client:web on behalf of user:carol", "GET", "/any"}));
  EXPECT_FALSE(allows(*policy, {"client:web", "GET", "/any"}));
  EXPECT_FALSE(allows(*policy, {"client:app on behalf of user:carol", "GET", "/any"}));
  EXPECT_TRUE(allows(*policy, {"client:web on behalf of user:bob", "GET", "/named"}));
  EXPECT_FALSE(allows(*policy, {"client:web on behalf of user:carol", "GET", "/named"}));
  EXPECT_TRUE(allows(*policy, {"client:web on behalf of user:alice", "GET", "/vip"}));
  EXPECT_TRUE(allows(*policy, {"client:web on behalf of user:carol", "GET", "/vip", "", {"vip"}}));
  // The client is in the role, its customer is not; and without a customer a token's role is the client's own.
  EXPECT_FALSE(allows(*policy, {"client:web on behalf of user:carol", "GET", "/vip"}));
  EXPECT_FALSE(allows(*policy, {"client:web", "GET", "/vip", "", {"vip"}}));
  EXPECT_FALSE(allows(*policy, {"client:web on behalf of user:bob", "GET", "/all"}));
  EXPECT_TRUE(allows(*policy, {"client:web on behalf of user:alice", "GET", "/all"}));
  EXPECT_TRUE(allows(*policy, {"client:app on behalf of user:bob", "GET", "/all"}));
}

TEST(Authorize, needs_all_scopes) {
  const auto policy = load("policies:\n  - { allow: a, on: /, scopes: [r, w] }\n");
  EXPECT_TRUE(allows(*policy, {"a", "GET", "/", "", {}, {"w", "x", "r"}}));
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/", "", {}, {"r"}}));
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/", "", {}, {"R", "W"}}));
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/"}));
}

TEST(Authorize, keeps_services_apart) {
  const auto policy = load(R"(policies:
  - { allow: a, on: { service: orders, paths: /x/ } }
  - { allow: a, on: { services: [stock, cart], methods: GET } }
  - { deny: "*", on: { service: cart, methods: [DELETE] } }
  - { allow: b, on: / }
)");
  EXPECT_TRUE(allows(*policy, {"a", "PUT", "/x/1", "orders"}));
  EXPECT_FALSE(allows(*policy, {"a", "PUT", "/x/1", "stock"}));
  EXPECT_FALSE(allows(*policy, {"a", "PUT", "/x/1"}));
  EXPECT_TRUE(allows(*policy, {"a", "GET", "/anything", "cart"}));
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/anything", "orders"}));
  EXPECT_TRUE(allows(*policy, {"b", "DELETE", "/anything", "stock"}));
  EXPECT_FALSE(allows(*policy, {"b", "DELETE", "/anything", "cart"}));
}

TEST(Authorize, lets_a_rule_without_paths_match_every_path_even_the_asterisk_form) {
  const auto policy =
      load("policies:\n  - { allow: a, permissions: OPTIONS }\n  - { allow: b, permissions: OPTIONS, on: / }\n");
  EXPECT_TRUE(allows(*policy, {"a", "OPTIONS", "*"}));
  EXPECT_TRUE(allows(*policy, {"a", "OPTIONS", "/x"}));
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/x"}));
  EXPECT_FALSE(allows(*policy, {"b", "OPTIONS", "*"}));
  EXPECT_TRUE(allows(*policy, {"b", "OPTIONS", "/x"}));
}

TEST(Authorize, reports_shadow_rules_only_where_they_would_change_the_verdict) {
  const auto policy = load(R"(policies:
  - { id: base, allow: a, on: / }
  - { id: new-deny, deny: a, on: /secret/, mode: shadow }
  - { id: new-allow, allow: b, on: /, mode: shadow }
  - { id: hard-deny, deny: "*", on: /never/ }
)");
  EXPECT_EQ(decide(*policy, {"a", "GET", "/x"}).shadow_rule, "");
  const Decision denied = decide(*policy, {"a", "GET", "/secret/1"});
  EXPECT_EQ(denied.verdict, Verdict::allow);
  EXPECT_EQ(denied.rule, "base");
  EXPECT_EQ(denied.shadow_rule, "new-deny");
  const Decision allowed = decide(*policy, {"b", "GET", "/x"});
  EXPECT_EQ(allowed.verdict, Verdict::deny);
  EXPECT_EQ(allowed.shadow_rule, "new-allow");
  EXPECT_EQ(decide(*policy, {"b", "GET", "/never/1"}).shadow_rule, "");
  EXPECT_EQ(decide(*policy, {"a", "GET", "/never/1"}).rule, "hard-deny");
}

TEST(Authorize, takes_the_mode_of_the_rule_before_that_of_the_file) {
  const auto policy = load(R"(mode: shadow
policies:
  - { id: s, allow: a, on: /s }
  - { id: e, allow: a, on: /e, mode: enforce }
)");
  EXPECT_FALSE(allows(*policy, {"a", "GET", "/s"}));
  EXPECT_EQ(decide(*policy, {"a", "GET", "/s"}).shadow_rule, "s");
  EXPECT_TRUE(allows(*policy, {"a", "GET", "/e"}));
}

TEST(Authorize, adds_up_several_files) {
  const std::vector<Source> sources{{"a.yaml", "roles: { r: [client:x] }\n"},
                                    {"b.yaml", "policies:\n  - { allow: role:r, on: /x/ }\n"},
                                    {"c.yaml", "mode: shadow\npolicies:\n  - { deny: role:r, on: /x/ }\n"}};
  Diagnostics diagnostics;
  const auto policy = Policy::load(sources, diagnostics);
  ASSERT_TRUE(policy) << diagnostics.render_text();
  EXPECT_EQ(policy->rule_count(), 2u);
  EXPECT_TRUE(allows(*policy, {"client:x", "GET", "/x/1"}));
  EXPECT_EQ(decide(*policy, {"client:x", "GET", "/x/1"}).rule, "b.yaml:2");
  EXPECT_EQ(decide(*policy, {"client:x", "GET", "/x/1"}).shadow_rule, "c.yaml:3");
  EXPECT_FALSE(allows(*policy, {"client:y", "GET", "/x/1"}));
}

TEST(Authorize, gives_rules_on_one_line_different_ids) {
  const auto policy = load("policies: [{allow: a, on: /a}, {allow: a, on: /b}]\n");
  EXPECT_EQ(decide(*policy, {"a", "GET", "/a"}).rule, "policy.yaml:1");
  EXPECT_EQ(decide(*policy, {"a", "GET", "/b"}).rule, "policy.yaml:1:32");
}

TEST(Authorize, works_out_the_slot_again_for_another_policy) {
  const auto yes = load("policies:\n  - { allow: a, on: / }\n");
  const auto no = load("policies:\n  - { allow: b, on: / }\n");
  EXPECT_NE(yes->generation(), no->generation());
  auth::Principal principal;
  principal.client = "a";
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(yes->authorize({&principal, "", "GET", "/"}).verdict, Verdict::allow);
    EXPECT_EQ(no->authorize({&principal, "", "GET", "/"}).verdict, Verdict::deny);
    EXPECT_EQ(principal.policy_slot.policy_generation, no->generation());
  }
}

TEST(Policy, hashes_names_and_texts) {
  const auto hash = [](std::vector<Source> sources) {
    Diagnostics diagnostics;
    return Policy::load(sources, diagnostics)->hash();
  };
  const std::string base = hash({{"a", "policies: []"}});
  EXPECT_EQ(base.size(), 64u);
  EXPECT_EQ(base, hash({{"a", "policies: []"}}));
  EXPECT_NE(base, hash({{"b", "policies: []"}}));
  EXPECT_NE(base, hash({{"a", "policies: [] "}}));
  EXPECT_NE(base, hash({{"a", "policies: []"}, {"b", "policies: []"}}));
}

// Many rules take the way through the trie and the bitsets, which few rules do not.
std::string many_rules(std::size_t count) {
  std::string text = "policies:\n";
  for (std::size_t i = 0; i < count; ++i) {
    append(text, "  - { id: r", i, ", allow: [c", i, ", all], permissions: GET, on: [/api/", i, "/, /x/*/", i,
           ", /same] }\n");
  }
  return text + "  - { id: no, deny: all, on: /api/13/secret/ }\n";
}

TEST(Authorize, decides_alike_among_many_rules) {
  const auto policy = load(many_rules(1000));
  for (std::size_t i = 0; i < 1000; i += 37) {
    const std::string rule = cat("r", i);
    EXPECT_EQ(decide(*policy, {cat("c", i), "GET", cat("/api/", i, "/1")}).rule, rule);
    EXPECT_EQ(decide(*policy, {"all", "GET", cat("/api/", i, "/1")}).rule, rule);
    EXPECT_EQ(decide(*policy, {"all", "GET", cat("/x/7/", i)}).rule, rule);
    EXPECT_EQ(decide(*policy, {cat("c", i), "GET", "/same"}).rule, rule);
    EXPECT_FALSE(allows(*policy, {cat("c", i), "GET", cat("/api/", i + 1, "/1")}));
    EXPECT_FALSE(allows(*policy, {"all", "PUT", cat("/api/", i, "/1")}));
    EXPECT_FALSE(allows(*policy, {"all", "GET", cat("/x//", i)}));
    EXPECT_FALSE(allows(*policy, {"all", "GET", cat("/x/7/", i, "/")}));
  }
  EXPECT_EQ(decide(*policy, {"all", "GET", "/same"}).rule, "r0");
  EXPECT_FALSE(allows(*policy, {"all", "PUT", "/same"}));
  EXPECT_EQ(decide(*policy, {"all", "GET", "/api/13/secret/1"}).rule, "no");
  EXPECT_EQ(decide(*policy, {"all", "GET", "/api/13/public"}).rule, "r13");
}

TEST(Authorize, survives_hostile_paths_and_names) {
  const auto policy = load(many_rules(100));
  std::string slashes(100'000, '/'), segments;
  for (int i = 0; i < 50'000; ++i) segments += "/x";
  EXPECT_FALSE(allows(*policy, {"all", "GET", slashes}));
  EXPECT_FALSE(allows(*policy, {"all", "GET", segments}));
  EXPECT_FALSE(allows(*policy, {"all", std::string(100'000, 'G'), "/same"}));
  EXPECT_FALSE(allows(*policy, {"all", "GET", std::string("/same\0", 6)}));
}

}  // namespace
}  // namespace keepgate::policy

#include "policy/yaml_front_end.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "policy/codes.h"
#include "policy/testing.h"

namespace keepgate::policy {
namespace {

using test::load;
using test::refusals;

struct Refused {
  std::string text;
  std::string_view code;
  std::uint32_t line, column;
  std::string_view help;  // A part of it.
};

void expect_refused(const Refused& one) {
  const Diagnostics diagnostics = refusals(one.text);
  for (const Diagnostic& found : diagnostics.all()) {
    if (found.code != one.code) continue;
    EXPECT_EQ(found.place.line, one.line) << one.text << diagnostics.render_text();
    EXPECT_EQ(found.place.column, one.column) << one.text << diagnostics.render_text();
    EXPECT_NE(found.help.find(one.help), std::string::npos) << one.text << diagnostics.render_text();
    return;
  }
  ADD_FAILURE() << one.code << " is missing for\n" << one.text << diagnostics.render_text();
}

// A rule in one line; its text begins in column 5 of line 2.
std::string rule(std::string_view inside) { return cat("policies:\n  - {", inside, "}\n"); }

TEST(YamlFrontEnd, refuses_files_of_another_shape) {
  for (const Refused& one : std::initializer_list<Refused>{
           {"[]\n", code::wrong_shape, 1, 1, "key: value"},
           {"policies\n", code::wrong_shape, 1, 1, ""},
           {"--- \n", code::empty_file, 2, 1, "policies: []"},
           {"policys: []\n", code::unknown_key, 1, 1, "did you mean 'policies'?"},
           {"rules: []\n", code::unknown_key, 1, 1, "did you mean 'roles'?"},
           {"wibble: []\n", code::unknown_key, 1, 1, "known here: policies, roles, tests, mode"},
           {"policies: {}\n", code::wrong_shape, 1, 11, "dash"},
           {"policies:\n", code::wrong_shape, 1, 10, ""},
           {"policies: [a]\n", code::wrong_shape, 1, 12, ""},
           {"roles: []\n", code::wrong_shape, 1, 8, ""},
           {"tests: {}\n", code::wrong_shape, 1, 8, ""},
           {"mode: shadov\n", code::bad_mode, 1, 7, "did you mean 'shadow'?"},
           {"mode: off\n", code::bad_mode, 1, 7, "enforce or shadow"},
           {"mode: [shadow]\n", code::wrong_shape, 1, 7, ""},
           {"mode:\n", code::empty_value, 1, 6, ""},
       }) {
    expect_refused(one);
  }
}

TEST(YamlFrontEnd, refuses_rules_that_do_not_say_what_they_seem_to) {
  for (const Refused& one : std::initializer_list<Refused>{
           {rule("on: /"), code::no_identity, 2, 5, "allow: NAMES"},
           {rule(""), code::no_identity, 2, 5, ""},
           {rule("allow: a, deny: b"), code::two_effects, 2, 5, ""},
           {rule("allow: a, identity: b"), code::two_effects, 2, 5, ""},
           {rule("alow: a"), code::unknown_key, 2, 6, "did you mean 'allow'?"},
           {rule("allow: a, permission: GET"), code::unknown_key, 2, 16, "did you mean 'permissions'?"},
           {rule("allow: a, Scopes: x"), code::unknown_key, 2, 16, "did you mean 'scopes'?"},
           {rule("allow: a, path: /x"), code::unknown_key, 2, 16, ""},
           {rule("allow: a, when: x"), code::conditions_not_built, 2, 16, "refused"},
           {rule("deny: a, unless: x"), code::conditions_not_built, 2, 15, "refused"},
           {rule("allow: []"), code::empty_value, 2, 13, ""},
           {rule("deny: []"), code::empty_value, 2, 12, ""},
           {rule("allow: "), code::empty_value, 2, 13, ""},
           {rule("allow: {a: b}"), code::wrong_shape, 2, 13, ""},
           {rule("allow: [[a]]"), code::wrong_shape, 2, 14, ""},
           {rule("allow: [a, '']"), code::empty_value, 2, 17, ""},
           {rule("allow: usr:a"), code::unknown_name_kind, 2, 13, "did you mean 'user:'?"},
           {rule("allow: a b"), code::bad_name, 2, 13, "[a, b]"},
           {rule("allow: web*"), code::partial_name_wildcard, 2, 13, ""},
           {rule("allow: a, id: "), code::empty_value, 2, 20, ""},
           {rule("allow: a, id: 'a b'"), code::bad_id, 2, 20, ""},
           {rule("allow: a, id: \"a\\\"b\""), code::bad_id, 2, 20, ""},
           {rule("allow: a, id: [x]"), code::wrong_shape, 2, 20, ""},
           {rule("allow: a, mode: of"), code::bad_mode, 2, 22, ""},
           {rule("allow: a, permissions: get"), code::bad_method, 2, 29, "did you mean 'GET'?"},
           {rule("allow: a, permissions: [GET, put]"), code::bad_method, 2, 35, "did you mean 'PUT'?"},
           {rule("allow: a, permissions: []"), code::empty_value, 2, 29, ""},
           {rule("allow: a, permissions: GET PUT"), code::bad_method, 2, 29, "PUT/GET"},
           {rule("allow: a, permissions: GET, on: {methods: PUT}"), code::said_twice, 2, 48, ""},
           {rule("allow: a, on: {}"), code::empty_value, 2, 20, ""},
           {rule("allow: a, on: []"), code::empty_value, 2, 20, ""},
           {rule("allow: a, on: {path: /x}"), code::unknown_key, 2, 21, "did you mean 'paths'?"},
           {rule("allow: a, on: {service: a, services: b}"), code::said_twice, 2, 43, ""},
           {rule("allow: a, on: {service: ''}"), code::empty_value, 2, 30, ""},
           {rule("allow: a, on: {service: 'a*'}"), code::bad_service, 2, 30, ""},
           {rule("allow: a, on: {service: '*'}"), code::bad_service, 2, 30, "every service"},
           {rule("allow: a, on: orders/"), code::path_without_slash, 2, 20, "did you mean '/orders/'?"},
           {rule("allow: a, on: [/a, b]"), code::path_without_slash, 2, 25, ""},
           {rule("allow: a, on: {paths: [/a*]}"), code::partial_path_wildcard, 2, 29, ""},
           {rule("allow: a, on: /**/x"), code::rest_not_last, 2, 20, ""},
           {rule("allow: a, on: /a//b"), code::path_never_canonical, 2, 20, ""},
           {rule("allow: a, on_behalf_of: client:b"), code::name_not_allowed_here, 2, 30, "user:NAME"},
           {rule("allow: a, on_behalf_of: bob"), code::name_not_allowed_here, 2, 30, "user:NAME"},
           {rule("allow: a, on_behalf_of: \"*\""), code::name_not_allowed_here, 2, 30, "user:*"},
           {rule("allow: a, on_behalf_of: []"), code::empty_value, 2, 30, ""},
           {rule("allow: a, scopes: []"), code::empty_value, 2, 24, ""},
           {rule("allow: a, scopes: a b"), code::bad_scope, 2, 24, "[a, b]"},
           {rule("deny: a, scopes: x"), code::deny_with_scopes, 2, 23, "allow rule"},
           {rule("scopes: x, deny: a"), code::deny_with_scopes, 2, 14, ""},
           {"policies:\n  - {id: x, allow: a}\n  - {id: x, allow: b}\n", code::duplicate_id, 3, 10, "unique"},
       }) {
    expect_refused(one);
  }
}

TEST(YamlFrontEnd, refuses_roles_that_cannot_be_meant) {
  for (const Refused& one : std::initializer_list<Refused>{
           {"roles: { a: [role:a] }\n", code::role_cycle, 1, 10, ""},
           {"roles:\n  a: role:b\n  b: [client:x, role:c]\n  c: role:a\n", code::role_cycle, 2, 3, "itself"},
           {"roles:\n  a: role:b\n  b: role:c\n  c: role:b\n", code::role_cycle, 3, 3, ""},
           {"roles: { a: \"*\" }\n", code::name_not_allowed_here, 1, 13, ""},
           {"roles: { a: [anonymous] }\n", code::name_not_allowed_here, 1, 14, ""},
           {"roles: { role:a: [x] }\n", code::bad_role_name, 1, 10, "did you mean 'a'?"},
           {"roles: { 'a b': [x] }\n", code::bad_role_name, 1, 10, ""},
           {"roles: { '*': [x] }\n", code::bad_role_name, 1, 10, ""},
           {"roles: { '': [x] }\n", code::bad_role_name, 1, 10, ""},
           {"roles: { a: }\n", code::empty_value, 1, 13, ""},
           {"roles: { a: {b: c} }\n", code::wrong_shape, 1, 13, ""},
           {"roles: { a: [grp:x] }\n", code::unknown_name_kind, 1, 14, ""},
       }) {
    expect_refused(one);
  }
}

TEST(YamlFrontEnd, refuses_tests_that_ask_nothing_certain) {
  const auto test = [](std::string_view inside) { return cat("tests:\n  - {", inside, "}\n"); };
  for (const Refused& one : std::initializer_list<Refused>{
           {test("may: [GET /]"), code::test_without_identity, 2, 5, "as: client:NAME"},
           {test("as: a"), code::test_asks_nothing, 2, 5, ""},
           {test("as: a, maynot: [GET /]"), code::unknown_key, 2, 13, "did you mean 'may-not'?"},
           {test("as: a, may: []"), code::empty_value, 2, 18, ""},
           {test("as: \"*\", may: [GET /]"), code::bad_test_identity, 2, 10, ""},
           {test("as: role:x, may: [GET /]"), code::bad_test_identity, 2, 10, ""},
           {test("as: usr:x, may: [GET /]"), code::unknown_name_kind, 2, 10, ""},
           {test("as: a, may: [get /]"), code::bad_method, 2, 19, "did you mean 'GET'?"},
           {test("as: a, may: [GET]"), code::bad_test_request, 2, 19, "GET /orders/7"},
           {test("as: a, may: [GET orders]"), code::path_without_slash, 2, 19, ""},
           {test("as: a, may: [GET /orders/**]"), code::bad_test_request, 2, 19, "one path"},
           {test("as: a, may: [GET /a/../b]"), code::path_never_canonical, 2, 19, ""},
           {test("as: a, may: [\"/orders/7\"]"), code::bad_method, 2, 19, ""},
           {test("as: a, on_behalf_of: user:*, may: [GET /]"), code::bad_test_identity, 2, 27, ""},
           {test("as: user:a, on_behalf_of: user:b, may: [GET /]"), code::bad_test_identity, 2, 32, ""},
           {test("as: a, on_behalf_of: b, may: [GET /]"), code::bad_test_identity, 2, 27, ""},
           {test("as: anonymous, roles: [x], may: [GET /]"), code::bad_test_identity, 2, 28, ""},
           {test("as: anonymous, scopes: [x], may: [GET /]"), code::bad_test_identity, 2, 29, ""},
           {test("as: a, roles: ['x y'], may: [GET /]"), code::bad_name, 2, 21, ""},
           {test("as: a, service: '', may: [GET /]"), code::empty_value, 2, 22, ""},
       }) {
    expect_refused(one);
  }
}

TEST(YamlFrontEnd, refuses_cedar_files_and_a_file_given_twice) {
  EXPECT_EQ(refusals("permit (principal, action, resource);", "p.cedar").all()[0].code, code::cedar_not_built);
  const std::vector<Source> twice{{"a.yaml", "policies: []\n"}, {"a.yaml", "policies: []\n"}};
  Diagnostics diagnostics;
  EXPECT_EQ(Policy::load(twice, diagnostics), nullptr);
  EXPECT_EQ(diagnostics.all()[0].code, code::file_twice);
}

TEST(YamlFrontEnd, refuses_ids_and_roles_that_two_files_give) {
  const std::vector<Source> sources{{"a.yaml", "roles: { r: [x] }\npolicies: [{id: i, allow: x, on: /}]\n"},
                                    {"b.yaml", "roles: { r: [y] }\npolicies: [{id: i, allow: y, on: /}]\n"}};
  Diagnostics diagnostics;
  EXPECT_EQ(Policy::load(sources, diagnostics), nullptr);
  ASSERT_EQ(diagnostics.error_count(), 2u) << diagnostics.render_text();
  EXPECT_EQ(diagnostics.all()[0].code, code::duplicate_role);
  EXPECT_EQ(diagnostics.all()[0].place.file, "b.yaml");
  EXPECT_NE(diagnostics.all()[0].message.find("a.yaml:1"), std::string::npos);
  EXPECT_EQ(diagnostics.all()[1].code, code::duplicate_id);
}

TEST(YamlFrontEnd, finds_a_circle_of_roles_over_two_files) {
  const std::vector<Source> sources{{"a.yaml", "roles: { r: role:s }\n"}, {"b.yaml", "roles: { s: role:r }\n"}};
  Diagnostics diagnostics;
  EXPECT_EQ(Policy::load(sources, diagnostics), nullptr);
  EXPECT_EQ(diagnostics.all()[0].message, "roles in a circle: role:r → role:s → role:r");
}

TEST(YamlFrontEnd, bounds_the_different_methods) {
  const auto text = [](std::size_t count) {
    std::string out = "policies:\n  - { allow: a, on: /, permissions: [";
    for (std::size_t i = 0; i < count; ++i) append(out, i > 0 ? ", M" : "M", i);
    return out + "] }\n";
  };
  EXPECT_TRUE(test::allows(*load(text(methods_max)), {"a", "M59", "/"}));
  EXPECT_EQ(refusals(text(methods_max + 1)).all().back().code, code::too_many_methods);
}

TEST(YamlFrontEnd, reports_all_errors_at_once) {
  const Diagnostics diagnostics = refusals(R"(policys: []
roles: { a: [role:a] }
policies:
  - { alow: x }
  - { allow: usr:x, permissions: get, on: orders }
tests:
  - { as: x, may: [GET] }
)");
  EXPECT_EQ(diagnostics.error_count(), 8u) << diagnostics.render_text();
}

TEST(YamlFrontEnd, stops_complaining_at_a_bound) {
  std::string text = "policies:\n";
  for (int i = 0; i < 10'000; ++i) text += "  - { alow: x }\n";
  const Diagnostics diagnostics = refusals(text);
  EXPECT_LE(diagnostics.error_count(), complaints_max);
}

TEST(YamlFrontEnd, shows_the_line_with_a_caret_and_help) {
  EXPECT_EQ(refusals("policies:\n  - identity: client1\n    permissions: PUT/get\n    on: orders/\n").render_text(),
            "error[KG330]: methods are written in capitals: 'get'\n"
            "  --> policy.yaml:3:18\n"
            "   |\n"
            " 3 |     permissions: PUT/get\n"
            "   |                  ^^^^^^^\n"
            "  help: did you mean 'GET'?\n"
            "error[KG340]: the path 'orders/' does not begin with '/'\n"
            "  --> policy.yaml:4:9\n"
            "   |\n"
            " 4 |     on: orders/\n"
            "   |         ^^^^^^^\n"
            "  help: did you mean '/orders/'?\n");
  EXPECT_EQ(refusals("policies:\n  - { deny: * }\n").render_text(),
            "error[KG302]: a bare * is YAML's sign for an alias\n"
            "  --> policy.yaml:2:13\n"
            "   |\n"
            " 2 |   - { deny: * }\n"
            "   |             ^\n"
            "  help: write \"*\" in quotes\n");
  EXPECT_EQ(refusals("policies:\n  - allow: a\n    when: context.mtls\n").render_text().substr(0, 119),
            "error[KG390]: conditions (when) are not built yet\n"
            "  --> policy.yaml:3:5\n"
            "   |\n"
            " 3 |     when: context.mtls\n"
            "   |     ^^^^\n");
}

TEST(YamlFrontEnd, warns_of_what_loads_and_may_not_be_meant) {
  const struct {
    std::string text;
    std::string_view code;  // "": no warning.
  } cases[] = {
      {rule("allow: a"), code::opens_everything},
      {rule("allow: a, permissions: \"*\""), ""},
      {rule("allow: a, permissions: GET"), ""},
      {rule("deny: a"), ""},
      {rule("allow: a, permissions: GTE"), code::unregistered_method},
      {rule("allow: a, permissions: PROPFIND"), ""},
      {rule("allow: a, on: \"/orders/:id\""), code::foreign_placeholder},
      {rule("allow: a, on: \"/orders/{id}\""), code::foreign_placeholder},
      {rule("allow: a, on: /orders/*"), ""},
  };
  for (const auto& one : cases) {
    const std::vector<Source> sources{{"p", one.text}};
    Diagnostics diagnostics;
    EXPECT_TRUE(Policy::load(sources, diagnostics)) << diagnostics.render_text();
    EXPECT_EQ(diagnostics.all().empty() ? "" : diagnostics.all()[0].code, one.code) << one.text;
  }
}

TEST(YamlFrontEnd, reads_a_chain_of_ten_thousand_roles_and_a_web_of_many_ways) {
  std::string text = "roles:\n  r0: [client:a]\n";
  for (int i = 1; i < 10'000; ++i) append(text, "  r", i, ": [role:r", i - 1, "]\n");
  append(text, "  d0: [client:b]\n  e0: [client:b]\n");
  for (int i = 1; i < 60; ++i) {
    for (const char side : {'d', 'e'}) append(text, "  ", side, i, ": [role:d", i - 1, ", role:e", i - 1, "]\n");
  }
  text += "policies:\n  - { allow: role:r9999, on: /chain }\n  - { allow: role:d59, on: /web }\n";
  const auto policy = load(text);
  EXPECT_TRUE(test::allows(*policy, {"a", "GET", "/chain"}));
  EXPECT_FALSE(test::allows(*policy, {"b", "GET", "/chain"}));
  EXPECT_TRUE(test::allows(*policy, {"b", "GET", "/web"}));
  EXPECT_FALSE(test::allows(*policy, {"a", "GET", "/web"}));
  auth::Principal nobody;
  nobody.client = "c";
  EXPECT_FALSE(policy->explain({&nobody, "", "GET", "/web"}).nearest.empty());
}

}  // namespace
}  // namespace keepgate::policy

#include <gtest/gtest.h>

#include "conf/load.h"
#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using pipeline::Authorize;
using test::check;
using test::check_http;
using test::Loaded;
using test::TempFolder;

TEST(Inheritance, single_values_are_overridden_level_by_level) {
  const Loaded loaded = check_http(
      "client_max_body_size 2m; default_type a/http; send_timeout 1s;"
      "server { listen 127.0.0.1:80; default_type a/server; client_max_body_size 3m;"
      " location /a { client_max_body_size 0; return 200; location /a/b { return 200; } } location /c { return 200; } "
      "}");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/a/b").client_body_bytes_max, 0U);
  EXPECT_EQ(loaded.at("/c").client_body_bytes_max, 3U << 20);
  EXPECT_EQ(loaded.at("/c").default_type, "a/server");
  EXPECT_EQ(loaded.at("/a/b").send_timeout_ms, 1000);
  EXPECT_EQ(loaded.at("/c").keepalive_timeout_ms, 75'000);
}

TEST(Inheritance, a_level_with_a_list_inherits_none_of_it) {
  const Loaded loaded = check_http(
      "limit_req_zone $binary_remote_addr zone=a:32k rate=1r/s; limit_req_zone $host zone=b:32k rate=1r/s;"
      "limit_req zone=a; add_header X-A 1; error_page 404 /x; error_page 500 /y;"
      "server { listen 127.0.0.1:80;"
      " location /own { limit_req zone=b; add_header X-B 1; error_page 404 /z; return 200; location /own/deep { return "
      "200; } }"
      " location /none { return 200; } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  for (const char* path : {"/own", "/own/deep"}) {
    ASSERT_EQ(loaded.at(path).limits.size(), 1U);
    EXPECT_EQ(loaded.at(path).limits[0].zone->name(), "b");
    EXPECT_EQ(loaded.at(path).add_headers.at(0).name, "X-B");
    EXPECT_EQ(loaded.at(path).error_pages.size(), 1U);
  }
  EXPECT_EQ(loaded.at("/none").limits.at(0).zone->name(), "a");
  EXPECT_EQ(loaded.at("/none").error_pages.size(), 2U);
}

TEST(Inheritance, return_and_proxy_pass_are_not_inherited) {
  const Loaded loaded = check_http(
      "server { listen 127.0.0.1:80; location /a { return 200; location /a/b { } }"
      " location /c { proxy_pass http://127.0.0.1:1; location /c/d { } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_FALSE(loaded.at("/a/b").return_action);
  EXPECT_EQ(loaded.at("/c/d").content, nullptr);
  EXPECT_NE(loaded.at("/c").content, nullptr);
}

class Policies : public ::testing::Test {
 protected:
  Policies() {
    for (const char* name : {"a.yaml", "b.yaml"}) {
      folder.write(name, cat("policies:\n  - id: ", std::string_view(name, 1), "\n    allow: client:x\n    on: /\n"));
    }
    folder.write_keys("k");
  }
  TempFolder folder;
};

TEST_F(Policies, accumulate_at_one_level_and_replace_outer_ones) {
  const Loaded loaded = check(folder,
                              "http { policy a.yaml; server { listen 127.0.0.1:80;"
                              " location /own { policy b.yaml; proxy_pass http://127.0.0.1:1; }"
                              " location /both { policy a.yaml; policy b.yaml; proxy_pass http://127.0.0.1:1; }"
                              " location /outer { proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/own").policy->rule_count(), 1U);
  EXPECT_EQ(loaded.at("/both").policy->rule_count(), 2U);
  EXPECT_EQ(loaded.at("/outer").policy->rule_count(), 1U);
  EXPECT_NE(loaded.at("/own").policy, loaded.at("/outer").policy);
  EXPECT_EQ(loaded.snapshot->policy_files.size(), 2U);
}

TEST_F(Policies, decide_by_default_where_they_are_in_effect) {
  const Loaded loaded = check(folder,
                              "http { server { listen 127.0.0.1:80;"
                              " location /on { policy a.yaml; proxy_pass http://127.0.0.1:1; }"
                              " location /shadow { policy a.yaml; authorize shadow; proxy_pass http://127.0.0.1:1; }"
                              " location /off { policy a.yaml; authorize off; proxy_pass http://127.0.0.1:1; }"
                              " location /none { proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/on").authorize, Authorize::required);
  EXPECT_EQ(loaded.at("/shadow").authorize, Authorize::shadow);
  EXPECT_EQ(loaded.at("/off").authorize, Authorize::off);
  EXPECT_EQ(loaded.at("/none").authorize, Authorize::off);
  EXPECT_TRUE(loaded.at("/shadow").refuse_ambiguous_paths);
  EXPECT_FALSE(loaded.at("/off").refuse_ambiguous_paths);
  EXPECT_FALSE(loaded.at("/none").keepgate_features);
}

TEST_F(Policies, authorize_off_keeps_a_credential_of_its_own_level) {
  const Loaded loaded = check(folder,
                              "http { server { listen 127.0.0.1:80; auth_jwt r; auth_jwt_key_file keys/k.jwks.json;"
                              " location /open { authorize off; proxy_pass http://127.0.0.1:1;"
                              "  location /open/deep { proxy_pass http://127.0.0.1:1; } }"
                              " location /own { authorize off; auth_jwt own; proxy_pass http://127.0.0.1:1; }"
                              " location /in { proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_FALSE(loaded.at("/open").auth.jwt.enabled);
  EXPECT_FALSE(loaded.at("/open/deep").auth.jwt.enabled);
  EXPECT_TRUE(loaded.at("/own").auth.jwt.enabled);
  EXPECT_NE(loaded.at("/own").auth.jwt.keys, nullptr);
  EXPECT_TRUE(loaded.at("/in").auth.jwt.enabled);
}

TEST_F(Policies, rules_on_addresses_are_one_list_and_authorize_off_leaves_them) {
  const Loaded loaded = check(folder,
                              "http { deny 10.0.0.1; server { listen 127.0.0.1:80; satisfy any;"
                              " location /in { proxy_pass http://127.0.0.1:1; }"
                              " location /off { authorize off; proxy_pass http://127.0.0.1:1; }"
                              " location /own { satisfy all; allow 10.0.0.0/8; deny all; proxy_pass http://127.0.0.1:1;"
                              " } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const std::string_view first("\x0a\0\0\1", 4), far("\x0b\0\0\1", 4);
  for (const char* path : {"/in", "/off"}) {
    const auth::AuthOptions& options = loaded.at(path).auth;
    EXPECT_EQ(options.satisfy, auth::Satisfy::any) << path;
    EXPECT_EQ(options.addresses.judge(first), auth::AddressVerdict::denied) << path;
    EXPECT_EQ(options.addresses.judge(far), auth::AddressVerdict::none) << path;
  }
  const auth::AuthOptions& own = loaded.at("/own").auth;
  EXPECT_EQ(own.satisfy, auth::Satisfy::all);
  EXPECT_EQ(own.addresses.judge(first), auth::AddressVerdict::allowed) << "nothing of the outer level is left";
  EXPECT_EQ(own.addresses.judge(far), auth::AddressVerdict::denied);
}

TEST_F(Policies, key_files_follow_the_rule_of_lists) {
  const Loaded loaded = check(folder,
                              "http { auth_jwt_key_file keys/k.jwks.json; server { listen 127.0.0.1:80; auth_jwt r;"
                              " location /a { auth_jwt_key_file gone.json; proxy_pass http://127.0.0.1:1; }"
                              " location /b { auth_jwt off; proxy_pass http://127.0.0.1:1; }"
                              " location /c { auth_jwt_leeway 5s; proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/a").auth.jwt.keys, nullptr);
  EXPECT_FALSE(loaded.at("/b").auth.jwt.enabled);
  EXPECT_NE(loaded.at("/c").auth.jwt.keys, nullptr);
  EXPECT_EQ(loaded.at("/c").auth.jwt.leeway_s, 5);
}

TEST_F(Policies, forms_of_tokens_and_requirements_are_inherited_as_in_nginx) {
  const Loaded loaded = check(folder,
                              "http { auth_require $host error=404; auth_delay 1s; server { listen 127.0.0.1:80; "
                              "auth_jwt_key_file keys/k.jwks.json; auth_jwt_type nested; auth_dpop_scheme https;"
                              " location /in { auth_jwt r; auth_jwt_type signed; proxy_pass http://127.0.0.1:1;"
                              "  location /in/own { auth_require $arg_a; auth_require $arg_b error=500; auth_delay 0;"
                              "   auth_dpop_scheme http; proxy_pass http://127.0.0.1:1; } }"
                              " location /nested { auth_jwt r; proxy_pass http://127.0.0.1:1; }"
                              " location /read { auth_jwt off token=$cookie_id; proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/in").auth.jwt.form, auth::TokenForm::jws);
  EXPECT_NE(loaded.at("/in").auth.jwt.keys, nullptr);
  EXPECT_EQ(loaded.at("/in").requirements.at(0).status, 404);
  EXPECT_EQ(loaded.at("/in").auth_delay_ms, 1000);
  EXPECT_EQ(loaded.at("/in").auth.dpop_over_tls, true);
  ASSERT_EQ(loaded.at("/in/own").requirements.size(), 2U);
  EXPECT_EQ(loaded.at("/in/own").requirements[0].status, 403);
  EXPECT_EQ(loaded.at("/in/own").requirements[1].status, 500);
  EXPECT_EQ(loaded.at("/in/own").auth_delay_ms, 0);
  EXPECT_EQ(loaded.at("/in/own").auth.dpop_over_tls, false);
  EXPECT_EQ(loaded.at("/nested").auth.jwt.form, auth::TokenForm::nested);
  EXPECT_EQ(loaded.at("/nested").auth.jwt.keys, nullptr);  // No key decrypts.
  EXPECT_FALSE(loaded.at("/read").auth.jwt.enabled);
  EXPECT_TRUE(loaded.at("/read").auth.jwt.token);
}

}  // namespace
}  // namespace keepgate::conf

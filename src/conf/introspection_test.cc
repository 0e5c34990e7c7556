// auth_introspect: what is refused, what is inherited, and what is one object over locations and reloads.
#include "auth/introspection.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_server;
using test::Loaded;
using test::TempFolder;

constexpr const char* place = "location / { proxy_pass http://127.0.0.1:1; }";

TEST(IntrospectDirective, refuses_what_cannot_be_meant) {
  const std::pair<const char*, const char*> cases[] = {
      {"auth_introspect;", "KG015"},
      {"auth_introspect idp.example;", "KG020"},
      {"auth_introspect http://idp.example/i;", "KG020"},
      {"auth_introspect https://u:p@idp.example/i;", "KG020"},
      {"auth_introspect https://idp.example/i#x;", "KG020"},
      {"auth_introspect https://$host/i;", "KG018"},
      {"auth_introspect off cache=1s;", "KG021"},
      {"auth_introspect https://a/i odd;", "KG021"},
      {"auth_introspect https://a/i audience=;", "KG021"},
      {"auth_introspect https://a/i cache=x;", "KG020"},
      {"auth_introspect https://a/i cache=3601s;", "KG021"},
      {"auth_introspect https://a/i timeout=49ms;", "KG021"},
      {"auth_introspect https://a/i timeout=30001ms;", "KG021"},
      {"auth_introspect https://a/i client_id=web;", "KG021"},
      {"auth_introspect https://a/i client_secret_file=s;", "KG021"},
      {"auth_introspect https://a/i client_id=web client_secret_file=gone;", "KG040"},
      {"auth_introspect https://a/i issuer=x issuer=y;", "KG021"},
      {"auth_introspect https://a/i ca=gone.pem;", "KG046"},
      {"auth_introspect https://a/i; auth_introspect https://b/i;", "KG016"},
      {"auth_introspect https://a/i; transaction_token require;", "KG108"},
  };
  for (const auto& [text, complaint] : cases) {
    const Loaded loaded = check_server(cat(text, place));
    EXPECT_EQ(loaded.snapshot, nullptr) << text;
    EXPECT_TRUE(loaded.says(cat("error ", complaint))) << text << "\n" << loaded.complaints();
  }
}

TEST(IntrospectDirective, takes_so_many_audiences_and_so_long_a_secret) {
  const auto audiences = [](int count) {
    std::string text = "auth_introspect https://a/i timeout=30s";
    for (int i = 0; i < count; ++i) append(text, " audience=a", i);
    return check_server(cat(text, "; ", place));
  };
  EXPECT_NE(audiences(32).snapshot, nullptr) << audiences(32).complaints();
  EXPECT_EQ(audiences(33).snapshot, nullptr);
  const auto secret = [](std::size_t bytes) {
    const TempFolder folder;
    folder.write("s", std::string(bytes, 'x'));
    return check(folder,
                 cat("http { server { listen 127.0.0.1:80; auth_introspect https://a/i audience=x client_id=web "
                     "client_secret_file=s; ",
                     place, " } }"));
  };
  EXPECT_NE(secret(1024).snapshot, nullptr) << secret(1024).complaints();
  EXPECT_EQ(secret(1025).snapshot, nullptr);
}

TEST(IntrospectDirective, takes_what_it_says) {
  const Loaded loaded = check_server(
      cat("auth_introspect https://a/i cache=1h timeout=50ms issuer=https://a audience=x audience=y realm=shop "
          "allow_private; auth_jwt_leeway 3s; identity_claims client=azp user=username; auth_jwt_require $jwt_claim_x;",
          place));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.complaints(), "");
  const auto& options = loaded.at("/").auth.introspection;
  ASSERT_NE(options, nullptr);
  EXPECT_EQ(options->audiences, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(options->issuer, "https://a");
  EXPECT_EQ(options->cache_ms, 3'600'000);
  EXPECT_EQ(options->leeway_s, 3);
  EXPECT_EQ(options->realm, "shop");
  EXPECT_EQ(options->claims.user, (std::vector<std::string>{"username"}));
  EXPECT_EQ(loaded.at("/").auth.jwt.require.size(), 1U);
  EXPECT_FALSE(loaded.at("/").auth.jwt.enabled);
  const auth::EndpointOptions& endpoint = options->endpoint->options();
  EXPECT_EQ(endpoint.url, "https://a/i");
  EXPECT_EQ(endpoint.timeout_ms, 50);
  EXPECT_TRUE(endpoint.allow_private);
  EXPECT_FALSE(endpoint.allow_plain);
}

TEST(IntrospectDirective, reads_a_secret_that_only_its_owner_may_read) {
  const TempFolder folder;
  const std::string text =
      cat("http { server { listen 127.0.0.1:1; auth_introspect https://a/i audience=x client_id=web "
          "client_secret_file=secret; ",
          place, " } }");
  folder.write("secret", "hush hush\n");
  ::chmod(folder.path("secret").c_str(), 0600);
  const Loaded good = check(folder, text);
  ASSERT_NE(good.snapshot, nullptr) << good.complaints();
  EXPECT_EQ(*good.at("/").auth.introspection->endpoint->options().client_secret, "hush hush");
  for (const unsigned mode : {0640U, 0604U, 0660U}) {
    ::chmod(folder.path("secret").c_str(), mode);
    const Loaded exposed = check(folder, text);
    EXPECT_EQ(exposed.snapshot, nullptr) << mode;
    EXPECT_TRUE(exposed.says("error KG040")) << exposed.complaints();
  }
  ::chmod(folder.path("secret").c_str(), 0600);
  for (const char* content : {"", "\n", "two\nlines\n", "caf\xc3\xa9\n"}) {
    folder.write("secret", content);
    EXPECT_EQ(check(folder, text).snapshot, nullptr) << content;
  }
}

TEST(IntrospectDirective, is_one_endpoint_for_all_who_ask_it_alike_and_stays_over_a_reload) {
  const TempFolder folder;
  const std::string text =
      "http { auth_introspect https://a/i audience=x; server { listen 127.0.0.1:80;"
      " location /a { proxy_pass http://127.0.0.1:1; }"
      " location /b { auth_introspect https://a/i audience=y cache=1s; proxy_pass http://127.0.0.1:1; }"
      " location /c { auth_introspect https://a/i audience=x timeout=1s; proxy_pass http://127.0.0.1:1; }"
      " location /d { auth_introspect off; proxy_pass http://127.0.0.1:1; }"
      " location /e { authorize off; proxy_pass http://127.0.0.1:1; } } }";
  const Loaded first = check(folder, text);
  ASSERT_NE(first.snapshot, nullptr) << first.complaints();
  const auto endpoint_at = [](const Loaded& loaded, const char* path) {
    return loaded.at(path).auth.introspection->endpoint;
  };
  EXPECT_EQ(endpoint_at(first, "/a"), endpoint_at(first, "/b"));
  EXPECT_NE(endpoint_at(first, "/a"), endpoint_at(first, "/c"));
  EXPECT_EQ(first.at("/d").auth.introspection, nullptr);
  EXPECT_EQ(first.at("/e").auth.introspection, nullptr);
  LoadOptions options;
  options.check_only = true;
  options.previous = first.snapshot;
  const Loaded second = test::load_file(folder.path("keepgate.conf"), options);
  ASSERT_NE(second.snapshot, nullptr);
  EXPECT_EQ(endpoint_at(first, "/a"), endpoint_at(second, "/a"));
}

TEST(IntrospectDirective, closes_a_location_and_makes_claims_verified_where_it_is_strict) {
  const Loaded open = check(cat("strict on; http { server { listen 127.0.0.1:1; ", place, " } }"));
  EXPECT_EQ(open.snapshot, nullptr);
  const Loaded closed =
      check_server(cat("auth_introspect https://a/i audience=x; auth_identity $jwt_claim_sub; ", place));
  EXPECT_EQ(closed.complaints(), "");
  const Loaded unverified = check_server(
      cat("auth_introspect https://a/i audience=x; auth_jwt off token=$arg_t; auth_identity $jwt_claim_sub; ", place));
  EXPECT_TRUE(unverified.says("KG105")) << unverified.complaints();
}

TEST(IntrospectDirective, warns_where_tokens_may_be_for_anybody) {
  const Loaded loose = check_server(cat("auth_introspect https://a/i; ", place));
  ASSERT_NE(loose.snapshot, nullptr);
  EXPECT_TRUE(loose.says("warning KG118")) << loose.complaints();
}

}  // namespace
}  // namespace keepgate::conf

// auth_jwt_issuer: what is refused, what is inherited, and what is one object over locations and reloads.
#include <gtest/gtest.h>

#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_server;
using test::Loaded;
using test::TempFolder;

constexpr const char* location = "location / { proxy_pass http://127.0.0.1:1; }";

TEST(IssuerDirective, refuses_what_cannot_be_meant) {
  const std::pair<const char*, const char*> cases[] = {
      {"auth_jwt_issuer;", "KG015"},
      {"auth_jwt_issuer idp.example;", "KG020"},
      {"auth_jwt_issuer http://idp.example;", "KG020"},
      {"auth_jwt_issuer https://idp.example/?x;", "KG020"},
      {"auth_jwt_issuer https://idp.example/#x;", "KG020"},
      {"auth_jwt_issuer https://u@idp.example;", "KG020"},
      {"auth_jwt_issuer https://a audience=x odd;", "KG021"},
      {"auth_jwt_issuer https://a audience=;", "KG021"},
      {"auth_jwt_issuer https://a audience=x algorithms=HS256;", "KG021"},
      {"auth_jwt_issuer https://a audience=x algorithms=none;", "KG021"},
      {"auth_jwt_issuer https://a audience=x algorithms=RS256,;", "KG021"},
      {"auth_jwt_issuer https://a audience=x algorithms=RS256 algorithms=ES256;", "KG021"},
      {"auth_jwt_issuer https://a audience=x typ=JWT;", "KG021"},
      {"auth_jwt_issuer https://a audience=x jwks=http://a/jwks;", "KG021"},
      {"auth_jwt_issuer https://a audience=x jwks=ftp://a/jwks;", "KG021"},
      {"auth_jwt_issuer https://a audience=x refresh=0;", "KG021"},
      {"auth_jwt_issuer https://a audience=x refresh=x;", "KG020"},
      {"auth_jwt_issuer https://a audience=x refresh=2h keep=1h;", "KG021"},
      {"auth_jwt_issuer https://a audience=x ca=gone.pem;", "KG046"},
      {"auth_jwt_issuer https://a audience=x; auth_jwt_type nested;", "KG018"},
      {"auth_jwt_issuer https://a audience=x; auth_jwt_issuer https://a audience=y;", "KG016"},
  };
  for (const auto& [text, complaint] : cases) {
    const Loaded loaded = check_server(cat("auth_jwt r; ", text, location));
    EXPECT_EQ(loaded.snapshot, nullptr) << text;
    EXPECT_TRUE(loaded.says(cat("error ", complaint))) << text << "\n" << loaded.complaints();
  }
}

TEST(IssuerDirective, takes_what_it_says) {
  const Loaded loaded = check_server(
      cat("auth_jwt r; auth_jwt_issuer https://a/t jwks=https://b/jwks audience=x audience=y algorithms=RS256,EdDSA "
          "typ=at+jwt refresh=5m keep=2h allow_private; ",
          location));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.complaints(), "");
  const auto& issuers = loaded.at("/").auth.jwt.issuers;
  ASSERT_EQ(issuers.size(), 1U);
  EXPECT_EQ(issuers[0].audiences, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(issuers[0].algorithms.size(), 2U);
  EXPECT_TRUE(issuers[0].only_access_tokens);
  const auth::IssuerOptions& options = issuers[0].issuer->options();
  EXPECT_EQ(options.issuer, "https://a/t");
  EXPECT_EQ(options.keys_url, "https://b/jwks");
  EXPECT_EQ(options.refresh_ms, 300'000);
  EXPECT_EQ(options.keep_ms, 7'200'000);
  EXPECT_TRUE(options.allow_private);
  EXPECT_FALSE(options.allow_plain);
}

TEST(IssuerDirective, is_one_object_for_all_who_accept_it_and_stays_over_a_reload) {
  const TempFolder folder;
  const std::string text =
      "http { auth_jwt_issuer https://a audience=x; server { listen 127.0.0.1:80; auth_jwt r;"
      " location /a { proxy_pass http://127.0.0.1:1; }"
      " location /b { auth_jwt_issuer https://a audience=y typ=at+jwt; proxy_pass http://127.0.0.1:1; }"
      " location /c { auth_jwt_issuer https://a audience=x refresh=1m; proxy_pass http://127.0.0.1:1; }"
      " location /d { auth_jwt off; proxy_pass http://127.0.0.1:1; } } }";
  const Loaded first = check(folder, text);
  ASSERT_NE(first.snapshot, nullptr) << first.complaints();
  const auto issuer_at = [](const Loaded& loaded, const char* path) {
    return loaded.at(path).auth.jwt.issuers.at(0).issuer;
  };
  EXPECT_EQ(issuer_at(first, "/a"), issuer_at(first, "/b"));
  EXPECT_NE(issuer_at(first, "/a"), issuer_at(first, "/c"));
  EXPECT_TRUE(first.at("/d").auth.jwt.issuers.empty());
  EXPECT_NE(first.at("/a").auth.jwt.verifier_id, first.at("/b").auth.jwt.verifier_id);
  EXPECT_EQ(first.snapshot->issuers.size(), 2U);
  LoadOptions options;
  options.check_only = true;
  options.previous = first.snapshot;
  const Loaded second = test::load_file(folder.path("keepgate.conf"), options);
  ASSERT_NE(second.snapshot, nullptr);
  EXPECT_EQ(issuer_at(first, "/a"), issuer_at(second, "/a"));
  EXPECT_EQ(issuer_at(first, "/c"), issuer_at(second, "/c"));
}

TEST(IssuerDirective, needs_an_audience_where_it_is_strict) {
  const Loaded loose = check_server(cat("auth_jwt r; auth_jwt_issuer https://a; ", location));
  ASSERT_NE(loose.snapshot, nullptr);
  EXPECT_TRUE(loose.says("warning KG11")) << loose.complaints();
  const Loaded strict = check(
      cat("strict on; http { server { listen 127.0.0.1:1; auth_jwt r; auth_jwt_issuer https://a; ", location, " } }"));
  EXPECT_EQ(strict.snapshot, nullptr);
  EXPECT_TRUE(strict.says("tokens that this issuer made for other services")) << strict.complaints();
}

TEST(IssuerDirective, says_when_nobody_asks_for_its_tokens) {
  const Loaded unused = check_server(cat("auth_jwt_issuer https://a audience=x; ", location));
  ASSERT_NE(unused.snapshot, nullptr);
  EXPECT_TRUE(unused.says("warning KG041")) << unused.complaints();
  const Loaded used =
      check(cat("http { auth_jwt_issuer https://a audience=x; server { listen 127.0.0.1:1; auth_jwt r; ", location,
                " } server { listen 127.0.0.1:2; ", location, " } }"));
  EXPECT_EQ(used.complaints(), "");
}

TEST(IssuerDirective, keys_of_a_file_are_there_at_once_and_a_broken_file_is_503) {
  const TempFolder folder;
  folder.write_keys("k");
  const Loaded loaded = check(folder, cat("http { server { listen 127.0.0.1:1; auth_jwt r;"
                                          " auth_jwt_issuer https://a audience=x jwks=keys/k.jwks.json;"
                                          " auth_jwt_issuer https://b audience=x jwks=gone.json; ",
                                          location, " } }"));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const auto& issuers = loaded.at("/").auth.jwt.issuers;
  EXPECT_NE(issuers.at(0).issuer->keys(Now{}), nullptr);
  EXPECT_EQ(issuers.at(1).issuer->keys(Now{}), nullptr);
}

}  // namespace
}  // namespace keepgate::conf

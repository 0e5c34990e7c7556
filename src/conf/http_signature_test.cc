// auth_http_signature: what is refused, what is demanded by default, and where keys cannot be used.
#include "auth/http_signature.h"

#include <gtest/gtest.h>

#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_server;
using test::Loaded;
using test::TempFolder;

constexpr const char* behind = "location / { proxy_pass http://127.0.0.1:1; }";

TEST(HttpSignatureDirective, refuses_what_cannot_be_meant) {
  const std::pair<const char*, const char*> cases[] = {
      {"auth_http_signature;", "KG015"},
      {"auth_http_signature off nonce=once;", "KG021"},
      {"auth_http_signature $file;", "KG018"},
      {"auth_http_signature k odd;", "KG021"},
      {"auth_http_signature k nonce=twice;", "KG021"},
      {"auth_http_signature k components=;", "KG021"},
      {"auth_http_signature k components=@method,;", "KG021"},
      {"auth_http_signature k components=Date;", "KG021"},
      {"auth_http_signature k components=date components=host;", "KG021"},
      {"auth_http_signature k max_age=0;", "KG021"},
      {"auth_http_signature k max_age=86401s;", "KG021"},
      {"auth_http_signature k max_age=x;", "KG020"},
      {"auth_http_signature k leeway=601s;", "KG021"},
      {"auth_http_signature k label=a label=b;", "KG021"},
      {"auth_http_signature k; auth_http_signature j;", "KG016"},
      {"auth_http_signature k; transaction_token require;", "KG108"},
  };
  for (const auto& [text, complaint] : cases) {
    const Loaded loaded = check_server(cat(text, behind));
    EXPECT_EQ(loaded.snapshot, nullptr) << text;
    EXPECT_TRUE(loaded.says(cat("error ", complaint))) << text << "\n" << loaded.complaints();
  }
}

TEST(HttpSignatureDirective, takes_a_day_and_ten_minutes) {
  EXPECT_FALSE(check_server(cat("auth_http_signature k max_age=24h leeway=10m;", behind)).says("KG021"));
}

TEST(HttpSignatureDirective, demands_what_is_safe_unless_it_is_told_otherwise) {
  const TempFolder folder;
  folder.write_keys("k");
  const Loaded loaded =
      check(folder,
            "http { server { listen 127.0.0.1:80; auth_http_signature keys/k.jwks.json;"
            " location /a { proxy_pass http://127.0.0.1:1; }"
            " location /b { auth_http_signature keys/k.jwks.json components=@method,date max_age=1m leeway=0"
            " nonce=once label=sig1 tag=app realm=shop; proxy_pass http://127.0.0.1:1; }"
            " location /c { auth_http_signature off; proxy_pass http://127.0.0.1:1; }"
            " location /d { authorize off; proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.complaints(), "");
  const auth::SignatureOptions& usual = *loaded.at("/a").auth.signature;
  EXPECT_EQ(usual.components, (std::vector<std::string>{"\"@method\"", "\"@authority\"", "\"@path\"", "\"@query\""}));
  EXPECT_TRUE(usual.covers_body);
  EXPECT_EQ(usual.max_age_s, 300);
  EXPECT_FALSE(usual.once);
  EXPECT_NE(usual.keys, nullptr);
  const auth::SignatureOptions& own = *loaded.at("/b").auth.signature;
  EXPECT_EQ(own.components, (std::vector<std::string>{"\"@method\"", "\"date\""}));
  EXPECT_FALSE(own.covers_body);
  EXPECT_EQ(own.max_age_s, 60);
  EXPECT_EQ(own.leeway_s, 0);
  EXPECT_TRUE(own.once);
  EXPECT_EQ(own.label, "sig1");
  EXPECT_EQ(own.tag, "app");
  EXPECT_EQ(loaded.at("/c").auth.signature, nullptr);
  EXPECT_EQ(loaded.at("/d").auth.signature, nullptr);
}

TEST(HttpSignatureDirective, closes_a_location_and_says_which_keys_are_of_no_use) {
  const Loaded broken = check_server(cat("auth_http_signature gone.json;", behind));
  ASSERT_NE(broken.snapshot, nullptr);
  EXPECT_TRUE(broken.says("KG040")) << broken.complaints();
  EXPECT_EQ(broken.at("/").auth.signature->keys, nullptr);
  const TempFolder folder;
  folder.write("keys.json", R"({"keys":[{"kty":"oct","alg":"HS512","kid":"a","k":")" + std::string(88, 'A') + "\"}]}");
  const Loaded useless =
      check(folder, cat("http { server { listen 127.0.0.1:80; auth_http_signature keys.json; ", behind, " } }"));
  EXPECT_TRUE(useless.says("RFC 9421 has no such algorithm")) << useless.complaints();
  folder.write_keys("k");
  const Loaded strict = check(folder, cat("strict on; http { server { listen 127.0.0.1:80; authorize shadow;"
                                          " auth_http_signature keys/k.jwks.json; ",
                                          behind, " } }"));
  EXPECT_FALSE(strict.says("is open")) << strict.complaints();
}

}  // namespace
}  // namespace keepgate::conf

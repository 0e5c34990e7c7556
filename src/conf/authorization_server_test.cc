// authorization_server { }: which blocks are refused, and which are taken with a warning.
#include <gtest/gtest.h>

#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::Loaded;
using test::TempFolder;

constexpr const char* good_secret = "Zm9yIHRlc3RzIG9ubHksIG5vIHNlY3JldA";
constexpr const char* service_start = "client service { secret_file good.secret; audience orders; ";
constexpr const char* partner = "trusted_issuer https://partner.example jwks=keys/public.jwks.json subject=partner; ";

// With the files that the blocks below name.
Loaded check_block(std::string_view inside,
                   std::string_view address = "issuer http://127.0.0.1:9; listen 127.0.0.1:9;") {
  const TempFolder folder;
  folder.write("good.secret", good_secret);
  folder.write("short.secret", "x");
  folder.write("hash.secret", cat("sha256:", std::string(64, 'a')));
  folder.write_keys("key");
  const std::string key = crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256);
  folder.write("keys/public.jwks.json", cat("{\"keys\":[", crypto::public_jwk(key).value(), "]}"));
  folder.write("keys/private.jwks.json", cat("{\"keys\":[", key, "]}"));
  folder.write("keys/shared.jwks.json", R"({"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0MTIz"}]})");
  folder.write("garbage.hash", "$garbage");
  folder.write("md5.hash", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/");
  folder.write("sha512.hash", cat("$6$saltsalt$", std::string(86, 'a')));
  return check(folder, cat("authorization_server { ", address, " ", inside, " }"));
}

void expect_silence(const Loaded& loaded) {
  EXPECT_NE(loaded.snapshot, nullptr);
  EXPECT_EQ(loaded.complaints(), "");
}

void expect_error(const Loaded& loaded, std::string_view code) {
  EXPECT_EQ(loaded.snapshot, nullptr);
  EXPECT_TRUE(loaded.says(cat("error ", code))) << loaded.complaints();
}

void expect_warning(const Loaded& loaded, std::string_view code) {
  EXPECT_NE(loaded.snapshot, nullptr);
  EXPECT_TRUE(loaded.says(cat("warning ", code))) << loaded.complaints();
}

TEST(AuthorizationServer, takes_a_sound_block_without_a_word) {
  expect_silence(check_block(cat("trust_domain shop.internal; resource orders a:read; ", service_start,
                                 "grants client_credentials token_exchange; scopes a:read; "
                                 "exchange subjects=user:*,client:service audiences=orders; }"
                                 "user alice { password_hash_file sha512.hash; }")));
  expect_silence(check_block(cat(partner, service_start, "grants jwt_bearer; exchange subjects=partner:*; }")));
}

TEST(AuthorizationServer, believes_nobody_by_a_key_that_others_may_have) {
  expect_silence(check_block("client a { jwks_file keys/public.jwks.json; grants client_credentials; }"));
  expect_error(check_block("client a { jwks_file keys/private.jwks.json; grants client_credentials; }"), "KG040");
  expect_error(check_block("client a { jwks_file keys/shared.jwks.json; grants client_credentials; }"), "KG040");
  expect_error(check_block("trusted_issuer https://p.example jwks=keys/private.jwks.json subject=p;"), "KG040");
  expect_error(check_block("trusted_issuer https://p.example jwks=keys/shared.jwks.json subject=p;"), "KG040");
}

TEST(AuthorizationServer, warns_of_a_secret_that_can_be_guessed) {
  const Loaded loaded = check_block("client a { secret_file short.secret; grants client_credentials; }");
  expect_warning(loaded, "KG040: the secret of client 'a'");
  expect_silence(check_block("client a { secret_file good.secret; grants client_credentials; }"));
  expect_silence(check_block("client a { secret_file hash.secret; grants client_credentials; }"));
}

TEST(AuthorizationServer, takes_no_hash_that_no_password_matches) {
  expect_error(check_block("user a { password_hash_file garbage.hash; }"), "KG040: no password matches");
  expect_warning(check_block("user a { password_hash_file md5.hash; }"), "KG040: the hash of user 'a' is weak");
  expect_silence(check_block("user a { password_hash_file sha512.hash; }"));
}

TEST(AuthorizationServer, warns_where_secrets_cross_the_network_in_clear) {
  for (const char* open : {"listen 9;", "listen *:9;", "listen 0.0.0.0:9;", "listen [::]:9;", "listen 192.0.2.1:9;"}) {
    expect_warning(check_block("", cat("issuer http://127.0.0.1:9; ", open)), "KG031: passwords");
    expect_silence(check_block("", cat("issuer https://as.example; ", open)));
  }
  for (const char* local :
       {"listen 127.0.0.1:9;", "listen 127.0.0.1;", "listen [::1]:9;", "listen localhost:9;", "listen unix:as.sock;"}) {
    expect_silence(check_block("", cat("issuer http://127.0.0.1:9; ", local)));
  }
}

TEST(AuthorizationServer, warns_of_a_client_that_may_be_anybody) {
  const auto with = [](std::string_view word) {
    return check_block(
        cat(service_start, "grants token_exchange; exchange subjects=user:* audiences=orders", word, "; }"));
  };
  expect_warning(with(" impersonate"), "KG111");
  expect_silence(with(""));
}

TEST(AuthorizationServer, warns_of_grants_that_are_always_refused) {
  const std::pair<std::string, bool> cases[] = {
      {cat(service_start, "grants token_exchange; }"), true},
      {cat(service_start, "grants token_exchange; exchange subjects=user:*; }"), true},
      {cat("trust_domain shop; ", service_start, "grants token_exchange; exchange subjects=user:*; }"), false},
      {cat(service_start, "grants token_exchange; exchange subjects=user:* audiences=orders; }"), false},
      {cat(service_start, "grants jwt_bearer; exchange subjects=user:*; }"), true},
      {cat(partner, service_start, "grants jwt_bearer; }"), true},
      {cat(partner, service_start, "grants jwt_bearer; exchange subjects=partner:*; }"), false},
  };
  for (const auto& [text, warns] : cases) {
    const Loaded loaded = check_block(text);
    EXPECT_NE(loaded.snapshot, nullptr) << text;
    EXPECT_EQ(loaded.says("warning KG050"), warns) << text << "\n" << loaded.complaints();
  }
}

TEST(AuthorizationServer, keeps_the_trust_domain_apart_from_other_audiences) {
  expect_error(check_block("trust_domain http://127.0.0.1:9;"), "KG020");
  expect_error(check_block("trust_domain orders; resource orders;"), "KG020");
  expect_error(check_block(cat("trust_domain orders; ", service_start, "grants client_credentials; }")), "KG020");
  expect_error(check_block(cat("trust_domain other; ", service_start,
                               "grants token_exchange; exchange subjects=user:* audiences=other; }")),
               "KG020");
  expect_silence(
      check_block(cat("trust_domain shop; resource orders; ", service_start, "grants client_credentials; }")));
}

TEST(AuthorizationServer, refuses_stars_that_match_nobody_and_names_that_are_stars) {
  for (const char* subjects : {"user:al*", "user:*x", "us*:a", "*", "user:a,user:b*"}) {
    expect_error(check_block(cat(service_start, "exchange subjects=", subjects, " audiences=orders; }")), "KG021");
  }
  expect_error(check_block("user * { }"), "KG020");
}

TEST(AuthorizationServer, refuses_redirect_uris_that_answer_themselves) {
  const auto with = [](std::string_view uri) {
    return check_block(cat("client a { public; grants authorization_code; redirect_uri \"", uri, "\"; }"));
  };
  expect_silence(with("https://a.example/cb?tenant=1"));
  expect_error(with("https://a.example/cb?code=x"), "KG020");
  expect_error(with("https://a.example/cb?a=1&state=x"), "KG020");
  expect_error(with("https://a.example:65536/cb"), "KG020");
}

}  // namespace
}  // namespace keepgate::conf

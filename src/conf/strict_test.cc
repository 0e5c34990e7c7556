// What warns, and is an error under `strict on`; each beside a sibling that is safe.
#include <gtest/gtest.h>

#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::Loaded;
using test::TempFolder;

struct Case {
  const char* name;
  const char* code;
  const char* unsafe;  // Inside http.
  const char* safe;
};

constexpr const char* auth = "auth_jwt r; auth_jwt_key_file keys/k.jwks.json; ";

const Case cases[] = {
    {"return before authentication", "KG101",
     "server { listen 127.0.0.1:1; location / { auth_jwt r; auth_jwt_key_file keys/k.jwks.json; return 200 x; } }",
     "server { listen 127.0.0.1:1; location / { auth_jwt r; auth_jwt_key_file keys/k.jwks.json; return 403; } }"},
    {"unverified upstream", "KG102",
     "server { listen 127.0.0.1:1; location / { policy p.yaml; auth_jwt r; auth_jwt_key_file keys/k.jwks.json; "
     "proxy_pass https://127.0.0.1:1; } }",
     "server { listen 127.0.0.1:1; location / { policy p.yaml; auth_jwt r; auth_jwt_key_file keys/k.jwks.json; "
     "proxy_pass http://127.0.0.1:1; } }"},
    {"limit on a claim", "KG103",
     "limit_req_zone $jwt_claim_sub zone=a:32k; server { listen 127.0.0.1:1; limit_req zone=a; location / { return "
     "404; } }",
     "limit_req_zone $jwt_claim_sub zone=a:32k; server { listen 127.0.0.1:1; limit_req zone=a after=auth; location / { "
     "return 404; } }"},
    {"limit on a claim behind a map", "KG103",
     "map $jwt_claim_sub $k { default $jwt_claim_sub; } limit_req_zone $k zone=a:32k; server { listen 127.0.0.1:1; "
     "limit_req zone=a; location / { return 404; } }",
     "map $host $k { default $uri; } limit_req_zone $k zone=a:32k; server { listen 127.0.0.1:1; limit_req zone=a; "
     "location / { return 404; } }"},
    {"API keys without case", "KG104",
     "map $http_apikey $c { default ''; aBcD client1; } server { listen 127.0.0.1:1; location / { policy p.yaml; "
     "auth_identity $c; proxy_pass http://127.0.0.1:1; } }",
     "map $http_apikey $c { default ''; ~^aBcD$ client1; } server { listen 127.0.0.1:1; location / { policy p.yaml; "
     "auth_identity $c; proxy_pass http://127.0.0.1:1; } }"},
    {"identity that the client chooses", "KG105",
     "server { listen 127.0.0.1:1; location / { policy p.yaml; auth_identity $http_x_user; proxy_pass "
     "http://127.0.0.1:1; } }",
     "map $remote_addr $c { 127.0.0.1 local; } server { listen 127.0.0.1:1; location / { policy p.yaml; auth_identity "
     "$c; proxy_pass http://127.0.0.1:1; } }"},
    {"identity copied by a map", "KG105",
     "map $http_a $c { default $http_b; } server { listen 127.0.0.1:1; location / { policy p.yaml; auth_identity $c; "
     "proxy_pass http://127.0.0.1:1; } }",
     "map $http_a $c { ~^k1$ client1; } server { listen 127.0.0.1:1; location / { policy p.yaml; auth_identity $c; "
     "proxy_pass http://127.0.0.1:1; } }"},
    {"identity header from the client", "KG106",
     "identity_headers X-User; server { listen 127.0.0.1:1; location / { policy p.yaml; auth_jwt r; auth_jwt_key_file "
     "keys/k.jwks.json; proxy_set_header x_user $http_x_user; proxy_pass http://127.0.0.1:1; } }",
     "identity_headers X-User; server { listen 127.0.0.1:1; location / { policy p.yaml; auth_jwt r; auth_jwt_key_file "
     "keys/k.jwks.json; proxy_set_header x_user $jwt_claim_sub; proxy_pass http://127.0.0.1:1; } }"},
    {"password that the client may waive", "KG121",
     "server { listen 127.0.0.1:1; location / { policy p.yaml; auth_basic $http_x; auth_basic_user_file users; "
     "proxy_pass http://127.0.0.1:1; } }",
     "map $remote_addr $r { default x; 10.0.0.1 off; } server { listen 127.0.0.1:1; location / { policy p.yaml; "
     "auth_basic $r; auth_basic_user_file users; proxy_pass http://127.0.0.1:1; } }"},
    {"identity header from a user name that nobody checked", "KG106",
     "identity_headers X-User; server { listen 127.0.0.1:1; location / { policy p.yaml; satisfy any; auth_basic x; "
     "auth_basic_user_file users; proxy_set_header X-User $remote_user; proxy_pass http://127.0.0.1:1; } }",
     "identity_headers X-User; server { listen 127.0.0.1:1; location / { policy p.yaml; auth_basic x; "
     "auth_basic_user_file users; proxy_set_header X-User $remote_user; proxy_pass http://127.0.0.1:1; } }"},
    {"transaction claim from the client", "KG110",
     "trust_domain t; transaction_token_key keys/k.jwk; server { listen 127.0.0.1:1; location / { policy p.yaml; "
     "auth_jwt r; auth_jwt_key_file keys/k.jwks.json; transaction_token issue claims=$arg_t:tenant; proxy_pass "
     "http://127.0.0.1:1; } }",
     "trust_domain t; transaction_token_key keys/k.jwk; server { listen 127.0.0.1:1; location / { policy p.yaml; "
     "auth_jwt r; auth_jwt_key_file keys/k.jwks.json; transaction_token issue claims=$jwt_claim_t:tenant; proxy_pass "
     "http://127.0.0.1:1; } }"},
};

class Strict : public ::testing::Test {
 protected:
  Strict() {
    folder.write_keys("k");
    folder.write("users", "alice:{PLAIN}x\n");
    folder.write("p.yaml", "policies:\n  - identity: client1\n    permissions: GET\n    on: /\n");
  }
  Loaded load(bool strict, std::string_view http) {
    return check(folder, cat("strict ", strict ? "on" : "off", "; http { ", http, " }"));
  }
  TempFolder folder;
};

TEST_F(Strict, what_is_unsafe_warns_and_under_strict_is_refused) {
  for (const Case& one : cases) {
    const Loaded loose = load(false, one.unsafe), strict = load(true, one.unsafe);
    EXPECT_NE(loose.snapshot, nullptr) << one.name << "\n" << loose.complaints();
    EXPECT_TRUE(loose.says(cat("warning ", one.code))) << one.name << "\n" << loose.complaints();
    EXPECT_EQ(strict.snapshot, nullptr) << one.name;
    EXPECT_TRUE(strict.says(cat("error ", one.code))) << one.name << "\n" << strict.complaints();
  }
}

TEST_F(Strict, what_is_safe_loads_without_a_complaint) {
  for (const Case& one : cases) {
    const Loaded strict = load(true, one.safe);
    EXPECT_NE(strict.snapshot, nullptr) << one.name;
    EXPECT_EQ(strict.complaints(), "") << one.name;
  }
}

TEST_F(Strict, an_open_location_must_say_so) {
  struct Open {
    const char* location;
    bool open;
  };
  const Open locations[] = {
      {"location / { proxy_pass http://127.0.0.1:1; }", true},
      {"location / { policy p.yaml; proxy_pass http://127.0.0.1:1; }", true},
      {"location / { authorize on; proxy_pass http://127.0.0.1:1; }", true},
      {"location / { authorize shadow; proxy_pass http://127.0.0.1:1; }", true},
      {"location / { return 200; }", true},
      {"location / { return 301 https://x/; }", true},
      {"location @a { proxy_pass http://127.0.0.1:1; }", true},
      {"location /a { internal; proxy_pass http://127.0.0.1:1; }", true},
      {"location /a { authorize off; location /a/b { authorize on; proxy_pass http://127.0.0.1:1; } }", true},
      {"return 200;", true},
      {"location / { authorize off; proxy_pass http://127.0.0.1:1; }", false},
      {"authorize off; location / { proxy_pass http://127.0.0.1:1; }", false},
      {"location / { return 404; }", false},
      {"location / { return 444; }", false},
      {"location @a { return 200; }", false},
      {"location / { }", false},
      {"authorize off; return 301 https://x/;", false},
  };
  for (const Open& one : locations) {
    const Loaded loaded = load(true, cat("server { listen 127.0.0.1:1; ", one.location, " }"));
    EXPECT_EQ(loaded.says("error KG100"), one.open) << one.location << "\n" << loaded.complaints();
    EXPECT_EQ(loaded.snapshot == nullptr, one.open) << one.location << "\n" << loaded.complaints();
    EXPECT_NE(load(false, cat("server { listen 127.0.0.1:1; ", one.location, " }")).snapshot, nullptr) << one.location;
  }
}

TEST_F(Strict, a_credential_closes_a_location) {
  const Loaded loaded = load(true, cat("server { listen 127.0.0.1:1; policy p.yaml; ", auth,
                                       "location / { proxy_pass http://127.0.0.1:1; }"
                                       " location /off { auth_jwt off; proxy_pass http://127.0.0.1:1; } }"));
  EXPECT_EQ(loaded.complaints(), "error KG100: location '/off' is open\n");
}

TEST_F(Strict, a_password_closes_a_location_and_authorize_off_opens_it) {
  const std::string server = "server { listen 127.0.0.1:1; policy p.yaml; auth_basic x; auth_basic_user_file users; ";
  EXPECT_EQ(load(true, server + "location / { proxy_pass http://127.0.0.1:1; } }").complaints(), "");
  EXPECT_TRUE(
      load(true, server + "location / { auth_basic off; proxy_pass http://127.0.0.1:1; } }").says("error KG100"));
  const Loaded open = load(true, server + "location / { authorize off; proxy_pass http://127.0.0.1:1; } }");
  EXPECT_EQ(open.complaints(), "");
  EXPECT_FALSE(open.at("/").auth.basic.enabled);
  EXPECT_TRUE(load(true, server + "location / { authorize off; auth_basic y; proxy_pass http://127.0.0.1:1; } }")
                  .at("/")
                  .auth.basic.enabled);
}

TEST_F(Strict, requires_a_decision_even_without_a_policy) {
  const Loaded loaded =
      load(true, cat("server { listen 127.0.0.1:1; ", auth, "location / { proxy_pass http://127.0.0.1:1; } }"));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/").authorize, pipeline::Authorize::required);
  EXPECT_EQ(loaded.at("/").policy, nullptr);
  EXPECT_TRUE(loaded.says("warning KG107"));
}

TEST_F(Strict, one_location_asks_for_one_kind_of_credential) {
  const std::string guard =
      cat("trust_domain t; transaction_token_key_file keys/k.jwks.json; policy p.yaml; server { listen 127.0.0.1:1; ",
          auth, "location / { transaction_token require; @ proxy_pass http://127.0.0.1:1; } }");
  const auto with = [&](std::string_view more) {
    std::string text = guard;
    text.replace(text.find('@'), 1, more);
    return load(false, text);
  };
  EXPECT_TRUE(with("").says("error KG108"));
  EXPECT_EQ(with("auth_jwt off;").complaints(), "");
  EXPECT_TRUE(with("auth_jwt off; auth_identity $remote_addr;").says("error KG108"));
  EXPECT_TRUE(with("auth_jwt off; auth_basic x; auth_basic_user_file users;").says("error KG108"));
  EXPECT_EQ(with("auth_jwt off; auth_basic off; auth_basic_user_file users;").complaints(), "");
}

TEST_F(Strict, tokens_are_issued_for_somebody_only) {
  const Loaded loaded = load(false,
                             "trust_domain t; transaction_token_key keys/k.jwk; server { listen 127.0.0.1:1; "
                             "transaction_token issue; location / { proxy_pass http://127.0.0.1:1; } }");
  EXPECT_TRUE(loaded.says("warning KG109")) << loaded.complaints();
}

TEST_F(Strict, a_signing_key_must_be_private_and_no_shared_secret) {
  folder.write("keys/secret.jwk", crypto::generate_jwk(crypto::KeyType::oct256, crypto::Algorithm::hs256));
  folder.write("keys/public.jwk",
               crypto::public_jwk(crypto::generate_jwk(crypto::KeyType::ed25519, crypto::Algorithm::eddsa)).value());
  for (const char* file : {"keys/secret.jwk", "keys/public.jwk", "keys/gone.jwk", "p.yaml", "keys"}) {
    const Loaded loaded =
        load(false, cat("trust_domain t; transaction_token_key ", file, "; server { listen 127.0.0.1:1; ", auth,
                        "location / { transaction_token issue; proxy_pass http://127.0.0.1:1; } }"));
    EXPECT_TRUE(loaded.says("error KG043")) << file << "\n" << loaded.complaints();
    EXPECT_EQ(loaded.snapshot, nullptr) << file;
  }
}

TEST_F(Strict, a_private_key_that_everybody_can_read_warns) {
  const std::string text = cat("trust_domain t; transaction_token_key keys/k.jwk; server { listen 127.0.0.1:1; ", auth,
                               "location / { transaction_token issue; proxy_pass http://127.0.0.1:1; } }");
  EXPECT_FALSE(load(false, text).says("KG045"));
  ::chmod(folder.path("keys/k.jwk").c_str(), 0644);
  EXPECT_TRUE(load(false, text).says("warning KG045"));
}

TEST_F(Strict, no_complaint_shows_a_key) {
  const std::string key = crypto::generate_jwk(crypto::KeyType::oct256, crypto::Algorithm::hs256);
  folder.write("keys/secret.jwk", key.substr(0, key.size() - 1));
  const Loaded loaded = load(false, cat("trust_domain t; transaction_token_key keys/secret.jwk; server { listen "
                                        "127.0.0.1:1; auth_jwt r; auth_jwt_key_file keys/secret.jwk; location / { "
                                        "transaction_token issue; proxy_pass http://127.0.0.1:1; } }"));
  const std::size_t start = key.find("\"k\":\"") + 5;
  EXPECT_EQ(loaded.diagnostics.render_text().find(key.substr(start, 12)), std::string::npos);
}

}  // namespace
}  // namespace keepgate::conf

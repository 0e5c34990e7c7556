// What a client may be like: its redirect URIs, its keys, whom it may speak for; and that its document says all of it.
#include "oauth/client.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "oauth/public_keys.h"
#include "oauth/user.h"

namespace keepgate::oauth {
namespace {

constexpr std::string_view public_key =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view private_key =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",)"
    R"("d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})";
constexpr std::string_view shared_key =
    R"({"kty":"oct","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})";

std::string set_of(std::string_view one, std::string_view other = {}) {
  return cat(R"({"keys":[)", one, other.empty() ? "" : ",", other, "]}");
}

Client web() {
  Client client;
  client.id = "web";
  client.is_public = true;
  client.may_use[static_cast<std::size_t>(Grant::authorization_code)] = true;
  client.redirect_uris = {"https://web.example/cb"};
  return client;
}

Client service() {
  Client client;
  client.id = "service";
  client.secrets = {hash_of_secret("s")};
  client.may_use[static_cast<std::size_t>(Grant::token_exchange)] = true;
  client.exchange.subjects = {"user:*", "client:web"};
  client.exchange.audiences = {"orders"};
  return client;
}

TEST(RedirectUri, is_absolute_and_leads_to_https_to_this_machine_or_to_an_app) {
  for (const char* good :
       {"https://a.example/cb", "https://a.example:8443/cb?tenant=1", "https://a.example:65535/cb",
        "http://127.0.0.1/cb", "http://127.0.0.1:8000/cb", "http://[::1]:8000/cb", "http://localhost:8000/cb",
        "com.example.app:/cb", "https://a.example/cb?zipcode=1&statement=2"}) {
    EXPECT_EQ(fault_of_redirect_uri(good), "") << good;
  }
  for (const char* bad :
       {"", "/cb", "a.example/cb", "https:///cb", "http://a.example/cb", "http://127.0.0.1.example/cb",
        "http://10.0.0.1/cb", "https://a.example/cb#x", "https://a.example/*", "https://u@a.example/cb", "app:/cb",
        "javascript:alert(1)", "https://a.example/a b", "https://a.example\\@b.example/"}) {
    EXPECT_NE(fault_of_redirect_uri(bad), "") << bad;
  }
}

TEST(RedirectUri, has_a_port_that_there_is) {
  for (const char* bad : {"https://a.example:65536/cb", "https://a.example:99999999/cb", "https://a.example:/cb",
                          "https://a.example:x/cb", "http://127.0.0.1:70000/cb", "http://[::1]:70000/cb"}) {
    EXPECT_NE(fault_of_redirect_uri(bad), "") << bad;
  }
}

TEST(RedirectUri, leaves_to_the_server_what_the_server_adds) {
  for (const char* bad : {"https://a.example/cb?code=x", "https://a.example/cb?a=1&state=y", "https://a.example?iss",
                          "https://a.example/cb?error=x&a=1", "https://a.example/cb?c%6Fde=x",
                          "com.example.app:/cb?code=x", "http://127.0.0.1/cb?&&state="}) {
    EXPECT_NE(fault_of_redirect_uri(bad), "") << bad;
  }
}

TEST(RedirectUri, is_compared_byte_for_byte) {
  const Client client = web();
  EXPECT_TRUE(is_redirect_uri_of(client, "https://web.example/cb"));
  for (const char* other : {"https://web.example/cb/", "https://web.example/CB", "https://WEB.example/cb",
                            "https://web.example:443/cb", "https://web.example/cb?a=1", "https://web.example/", ""}) {
    EXPECT_FALSE(is_redirect_uri_of(client, other)) << other;
  }
}

TEST(RedirectUri, of_this_machine_may_have_any_port_and_nothing_else_of_its_own) {
  Client client = web();
  client.redirect_uris = {"http://127.0.0.1/cb", "http://[::1]:8000/six"};
  for (const char* good : {"http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb",
                           "http://[::1]:8001/six", "http://[::1]/six"}) {
    EXPECT_TRUE(is_redirect_uri_of(client, good)) << good;
  }
  for (const char* bad :
       {"http://127.0.0.1:65536/cb", "http://127.0.0.1:x/cb", "http://127.0.0.1:/cb", "http://localhost:1/cb",
        "http://127.0.0.2:1/cb", "http://127.0.0.1:1/other", "http://127.0.0.1:1/cb?a=1", "https://127.0.0.1:1/cb",
        "http://u@127.0.0.1:1/cb", "http://[::1]:1/cb", "http://127.0.0.1:1@evil.example/cb"}) {
    EXPECT_FALSE(is_redirect_uri_of(client, bad)) << bad;
  }
  // "localhost" may be somebody else's name (RFC 8252 §8.3): only as registered.
  client.redirect_uris = {"http://localhost:8000/cb"};
  EXPECT_TRUE(is_redirect_uri_of(client, "http://localhost:8000/cb"));
  EXPECT_FALSE(is_redirect_uri_of(client, "http://localhost:8001/cb"));
}

TEST(PublicKeys, are_neither_private_nor_shared) {
  EXPECT_EQ(fault_of_public_keys(set_of(public_key)), "");
  for (const std::string& bad :
       {set_of(private_key), set_of(shared_key), set_of(public_key, private_key), set_of(public_key, shared_key),
        set_of(R"({"kty":"unknown","d":"x"})"), std::string(public_key), std::string("{}"), std::string("[1]"),
        std::string("x"), std::string(), std::string(R"({"keys":[1]})")}) {
    EXPECT_NE(fault_of_public_keys(bad), "") << bad.size();
  }
}

TEST(ClientDocument, has_no_keys_but_public_ones) {
  Client client = service();
  client.keys_text = set_of(public_key);
  EXPECT_EQ(fault_of(client), "");
  EXPECT_TRUE(read_client(write_client(client)).has_value());
  for (const std::string_view key : {private_key, shared_key}) {
    client.keys_text = set_of(key);
    EXPECT_NE(fault_of(client), "");
    const auto read = read_client(write_client(client));
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, "bad_client");
    EXPECT_EQ(read.error().detail.find("nWGx"), std::string::npos) << "a key is in a message";
  }
}

TEST(ClientFault, is_a_star_that_matches_nobody) {
  Client client = service();
  EXPECT_EQ(fault_of(client), "");
  for (const char* bad : {"user:al*", "user:*x", "*", "*:*", "us*:a", "user:**", "user:", ":a", "user"}) {
    client.exchange.subjects = {"user:*", bad};
    EXPECT_NE(fault_of(client), "") << bad;
  }
  client = service();
  client.exchange.actors = {"client:a*"};
  EXPECT_NE(fault_of(client), "");
}

TEST(ClientFault, is_an_old_assertion_that_no_key_signs) {
  Client client = service();
  client.makes_old_assertions = true;
  EXPECT_NE(fault_of(client), "");
  client.keys_text = set_of(public_key);
  EXPECT_EQ(fault_of(client), "");
}

TEST(UserName, has_no_star) {
  EXPECT_TRUE(is_user_name("alice"));
  EXPECT_FALSE(is_user_name("*"));
  EXPECT_FALSE(is_user_name("al*"));
  EXPECT_FALSE(is_user_name("user:alice"));
}

TEST(ClientDocument, says_all_that_there_is_to_say) {
  Client client = service();
  client.name = "The service";
  client.secrets.push_back(hash_of_secret("t"));
  client.tls_san_uri = "spiffe://shop/service";
  client.may_use[static_cast<std::size_t>(Grant::authorization_code)] = true;
  client.redirect_uris = {"https://s.example/cb"};
  client.post_logout_redirect_uris = {"https://s.example/bye"};
  client.scopes = {"orders:read"};
  client.audiences = {"orders"};
  client.introspects = {"*"};
  client.exchange.actors = {"client:web"};
  client.exchange.accepts = {"front"};
  client.exchange.impersonate = client.reads_revocations = client.needs_pushed_requests = true;
  client.binds_tokens = client.skips_consent = client.makes_old_assertions = true;
  client.keys_text = set_of(public_key);
  client.access_token_lifetime_s = 60;
  const std::string document = write_client(client);
  const auto read = read_client(document);
  ASSERT_TRUE(read.has_value()) << read.error().detail;
  EXPECT_EQ(write_client(*read), document);
  EXPECT_EQ(read->secrets, client.secrets);
  EXPECT_EQ(read->may_use, client.may_use);
  EXPECT_EQ(read->exchange, client.exchange);
  EXPECT_EQ(read->redirect_uris, client.redirect_uris);
  EXPECT_TRUE(read->skips_consent && read->binds_tokens && read->needs_pushed_requests && read->reads_revocations);
  EXPECT_TRUE(read->makes_old_assertions);
  // What is not known is not passed over: it might have forbidden something.
  const std::string more = cat(document.substr(0, document.size() - 1), R"(,"only_on_sundays":true})");
  EXPECT_FALSE(read_client(more).has_value());
  EXPECT_FALSE(read_client("{}").has_value());
}

}  // namespace
}  // namespace keepgate::oauth

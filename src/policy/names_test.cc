#include "policy/names.h"

#include <gtest/gtest.h>

#include "policy/codes.h"
#include "policy/policy.h"

namespace keepgate::policy {
namespace {

TEST(Names, reads_each_kind) {
  const struct {
    std::string_view text;
    NameKind kind;
    std::string_view name;
  } cases[] = {
      {"client:web", NameKind::client, "web"},
      {"web", NameKind::client, "web"},
      {"client:*", NameKind::client, "*"},
      {"user:alice@example.org", NameKind::user, "alice@example.org"},
      {"user:*", NameKind::user, "*"},
      {"service:orders", NameKind::service, "orders"},
      {"service:*", NameKind::service, "*"},
      {"role:admins", NameKind::role, "admins"},
      {"*", NameKind::anybody, ""},
      {"anonymous", NameKind::anonymous, ""},
      {"client:a:b", NameKind::client, "a:b"},
      {"user:auth0|12", NameKind::user, "auth0|12"},
      {"client:anonymous", NameKind::client, "anonymous"},
      {"user:josé", NameKind::user, "josé"},
      {"spiffe://shop.internal/orders", NameKind::service, "spiffe://shop.internal/orders"},
  };
  for (const auto& one : cases) {
    const auto name = parse_name(one.text);
    ASSERT_TRUE(name) << one.text;
    EXPECT_EQ(name->kind, one.kind) << one.text;
    EXPECT_EQ(name->text, one.name) << one.text;
  }
}

TEST(Names, refuses_what_could_be_a_slip) {
  const struct {
    std::string text;
    std::string_view code, help;
  } cases[] = {
      {"", code::bad_name, ""},
      {"client:", code::bad_name, ""},
      {"user:", code::bad_name, ""},
      {"clinet:web", code::unknown_name_kind, "did you mean 'client:'?"},
      {"usr:alice", code::unknown_name_kind, "did you mean 'user:'?"},
      {"Client:web", code::unknown_name_kind, "did you mean 'client:'?"},
      {"ROLE:x", code::unknown_name_kind, "did you mean 'role:'?"},
      {"https://idp.example/web", code::unknown_name_kind, "client:https://idp.example/web"},
      {":web", code::unknown_name_kind, ""},
      {"client:web*", code::partial_name_wildcard, "client:*"},
      {"web*", code::partial_name_wildcard, ""},
      {"**", code::partial_name_wildcard, ""},
      {"role:*", code::partial_name_wildcard, ""},
      {"spiffe://shop/*", code::partial_name_wildcard, ""},
      {"spiffe://", code::bad_name, "TRUST-DOMAIN"},
      {"spiffe:///orders", code::bad_name, ""},
      {"spiffe://shop/orders/", code::bad_name, ""},
      {"spiffe://shop/orders?x", code::bad_name, ""},
      {"a b", code::bad_name, "[a, b]"},
      {"a,b", code::bad_name, "[a, b]"},
      {"client:a\tb", code::bad_name, ""},
      {"client:\"a\"", code::bad_name, ""},
      {"client:a\nb", code::bad_name, ""},
      {"client:[a]", code::bad_name, ""},
      {std::string("client:a\0b", 10), code::bad_name, ""},
      {"user:alice\xe2\x80\x8b", code::bad_name, "invisible"},
      {"user:alice\xc2\xa0", code::bad_name, "invisible"},
      {std::string(name_bytes_max + 1, 'x'), code::bad_name, "1024"},
  };
  for (const auto& one : cases) {
    const auto name = parse_name(one.text);
    ASSERT_FALSE(name) << one.text;
    EXPECT_EQ(name.error().code, one.code) << one.text;
    EXPECT_NE(name.error().help.find(one.help), std::string::npos) << one.text << ": " << name.error().help;
  }
}

TEST(Names, are_written_as_they_are_read) {
  for (const std::string_view text :
       {"client:web", "user:*", "service:orders", "role:r", "*", "anonymous", "spiffe://shop.internal/orders"}) {
    EXPECT_EQ(text_of(*parse_name(text)), text);
  }
}

TEST(ParseIdentity, reads_a_requester_and_its_customer) {
  auth::Principal principal;
  std::string error;
  ASSERT_TRUE(Policy::parse_identity("client:web on behalf of user:alice", principal, error)) << error;
  EXPECT_EQ(principal.client, "web");
  EXPECT_EQ(principal.user, "alice");
  ASSERT_TRUE(Policy::parse_identity("spiffe://shop/cart on behalf of user:alice", principal, error)) << error;
  EXPECT_EQ(principal.service, "spiffe://shop/cart");
  EXPECT_EQ(principal.client, "");
  ASSERT_TRUE(Policy::parse_identity("user:alice", principal, error)) << error;
  EXPECT_EQ(principal.describe(), "user:alice");
  ASSERT_TRUE(Policy::parse_identity("web", principal, error)) << error;
  EXPECT_EQ(principal.client, "web");
  ASSERT_TRUE(Policy::parse_identity("anonymous", principal, error)) << error;
  EXPECT_FALSE(principal.identified());
}

TEST(ParseIdentity, refuses_what_is_not_one_caller) {
  for (const std::string_view text :
       {"", "*", "client:*", "user:*", "role:admins", "client:web on behalf of user:*",
        "client:web on behalf of client:x", "user:alice on behalf of user:bob", "anonymous on behalf of user:bob",
        "client:web on behalf of ", " on behalf of user:alice", "client:web on behalf of bob", "usr:alice",
        "client:web, client:x", "client:web on behalf of user:a on behalf of user:b"}) {
    auth::Principal principal;
    std::string error;
    EXPECT_FALSE(Policy::parse_identity(text, principal, error)) << text;
    EXPECT_FALSE(error.empty()) << text;
    EXPECT_FALSE(principal.identified()) << text;
  }
}

}  // namespace
}  // namespace keepgate::policy

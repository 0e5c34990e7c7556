#include "oauth/verified_tokens.h"

#include <gtest/gtest.h>

namespace keepgate::oauth {
namespace {

constexpr Now verified_at{0, 1'800'000'000'000};

std::shared_ptr<const KeyRing> fresh_ring() {
  const std::string jwk = crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256);
  SigningKey key;
  key.key = *crypto::parse_jwk(jwk);
  key.public_jwk = *crypto::public_jwk(jwk);
  return std::make_shared<const KeyRing>(std::vector<SigningKey>{key}, crypto::Algorithm::es256);
}

Settings example_settings() {
  Settings out;
  out.issuer = "https://as.example";
  return out;
}

std::string token_of(const Settings& settings, const KeyRing& keys) {
  TokenFacts facts;
  facts.subject = "client:a";
  facts.client = "a";
  facts.audience = "orders";
  facts.issued_s = verified_at.wall_s();
  facts.expires_s = verified_at.wall_s() + 60;
  return mint_access_token(facts, settings, keys, verified_at)->token;
}

TEST(VerifiedTokens, answers_the_same_with_and_without_memory) {
  const Settings settings = example_settings();
  const auto keys = fresh_ring();
  const std::string token = token_of(settings, *keys);
  VerifiedTokens tokens;
  const auto first = tokens.read(token, settings, keys, verified_at);
  const auto again = tokens.read(token, settings, keys, verified_at);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->get(), again->get());
  EXPECT_EQ((*again)->token.text("sub"), "client:a");
  EXPECT_TRUE(
      (*again)->introspection.starts_with(R"({"active":true,"token_type":"Bearer","iss":"https://as.example")"));
}

TEST(VerifiedTokens, forgets_nothing_of_the_time) {
  const Settings settings = example_settings();
  const auto keys = fresh_ring();
  const std::string token = token_of(settings, *keys);
  VerifiedTokens tokens;
  ASSERT_TRUE(tokens.read(token, settings, keys, verified_at));
  EXPECT_TRUE(tokens.read(token, settings, keys, {0, verified_at.wall_ms + 59'999}));
  EXPECT_FALSE(tokens.read(token, settings, keys, {0, verified_at.wall_ms + 60'000}));
}

TEST(VerifiedTokens, believes_no_token_by_keys_that_are_gone) {
  const Settings settings = example_settings();
  const auto keys = fresh_ring();
  const std::string token = token_of(settings, *keys);
  VerifiedTokens tokens;
  ASSERT_TRUE(tokens.read(token, settings, keys, verified_at));
  EXPECT_FALSE(tokens.read(token, settings, fresh_ring(), verified_at));
}

TEST(VerifiedTokens, believes_no_token_that_differs_in_a_byte) {
  const Settings settings = example_settings();
  const auto keys = fresh_ring();
  std::string token = token_of(settings, *keys);
  VerifiedTokens tokens;
  ASSERT_TRUE(tokens.read(token, settings, keys, verified_at));
  token[token.size() / 2] = token[token.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(tokens.read(token, settings, keys, verified_at));
}

}  // namespace
}  // namespace keepgate::oauth

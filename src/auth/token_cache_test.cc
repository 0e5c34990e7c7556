#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "base/bytes.h"

namespace keepgate::auth {
namespace {

constexpr Now noon{.monotonic_ms = 0, .wall_ms = 1'900'000'000'000};

std::shared_ptr<const VerifiedToken> token_until(std::int64_t expires_s, std::int64_t not_before_s = 0) {
  auto token = std::make_shared<VerifiedToken>();
  token->expires_s = expires_s;
  token->not_before_s = not_before_s;
  return token;
}

TEST(TokenCache, finds_what_it_was_given_and_nothing_else) {
  TokenCache cache(64);
  const auto value = token_until(0);
  cache.insert("token", 1, value);
  EXPECT_EQ(cache.find("token", 1, noon), value);
  EXPECT_EQ(cache.find("token", 2, noon), nullptr);
  EXPECT_EQ(cache.find("tokeN", 1, noon), nullptr);
  EXPECT_EQ(cache.find("toke", 1, noon), nullptr);
  EXPECT_EQ(cache.find("token ", 1, noon), nullptr);
  EXPECT_EQ(cache.find("", 1, noon), nullptr);
}

TEST(TokenCache, drops_what_is_no_longer_or_not_yet_valid) {
  TokenCache cache(64);
  cache.insert("expired", 1, token_until(1'900'000'000));
  cache.insert("early", 1, token_until(0, 1'900'000'001));
  cache.insert("good", 1, token_until(1'900'000'001, 1'900'000'000));
  EXPECT_EQ(cache.find("expired", 1, noon), nullptr);
  EXPECT_EQ(cache.find("expired", 1, {.monotonic_ms = 0, .wall_ms = 0}), nullptr);
  EXPECT_EQ(cache.find("early", 1, noon), nullptr);
  EXPECT_NE(cache.find("good", 1, noon), nullptr);
}

TEST(TokenCache, keeps_the_newer_of_two_values_for_one_token) {
  TokenCache cache(8);
  const auto newer = token_until(0);
  cache.insert("token", 1, token_until(0));
  cache.insert("token", 1, newer);
  EXPECT_EQ(cache.find("token", 1, noon), newer);
}

TEST(TokenCache, is_bounded_and_keeps_what_is_in_use) {
  TokenCache cache(8);
  std::weak_ptr<const VerifiedToken> first;
  {
    const auto value = token_until(0);
    first = value;
    cache.insert("first", 1, value);
  }
  const auto busy = token_until(0);
  cache.insert("busy", 1, busy);
  for (int i = 0; i < 100; ++i) {
    cache.insert(cat("t", i), 1, token_until(0));
    EXPECT_EQ(cache.find("busy", 1, noon), busy);
  }
  EXPECT_TRUE(first.expired());
  int live = 0;
  for (int i = 0; i < 100; ++i) live += cache.find(cat("t", i), 1, noon) != nullptr ? 1 : 0;
  EXPECT_EQ(live, 7);
}

TEST(TokenCache, of_size_zero_and_for_long_tokens_remembers_nothing) {
  TokenCache none(0);
  none.insert("token", 1, token_until(0));
  EXPECT_EQ(none.find("token", 1, noon), nullptr);
  TokenCache cache(8);
  const std::string longest(TokenCache::token_bytes_max, 'a');
  cache.insert(longest, 1, token_until(0));
  cache.insert(longest + "a", 1, token_until(0));
  cache.insert("null", 1, nullptr);
  EXPECT_NE(cache.find(longest, 1, noon), nullptr);
  EXPECT_EQ(cache.find(longest + "a", 1, noon), nullptr);
  EXPECT_EQ(cache.find("null", 1, noon), nullptr);
}

}  // namespace
}  // namespace keepgate::auth

#include "issuer/answer_cache.h"

#include <gtest/gtest.h>

namespace keepgate::issuer {
namespace {

constexpr std::int64_t start_s = 1'900'000'000;

AnswerCache::Key key(unsigned number, std::uint64_t endpoint = 1) {
  AnswerCache::Key out{endpoint, {}};
  for (std::size_t i = 0; i < 4; ++i) out.second[i] = static_cast<unsigned char>(number >> (8 * i));
  return out;
}
AnswerCache::Answer good(std::int64_t expires_s = 0, std::size_t bytes = 10) {
  auto out = std::make_shared<auth::IntrospectionAnswer>();
  out->is_active = true;
  out->text.assign(bytes, 'x');
  out->expires_s = expires_s;
  return out;
}
AnswerCache::Answer bad() { return std::make_shared<auth::IntrospectionAnswer>(); }
Now at(std::int64_t ms) { return {1'000 + ms, start_s * 1000 + ms}; }

TEST(AnswerCache, believes_a_good_answer_for_as_long_as_it_is_told) {
  AnswerCache cache({});
  cache.insert(key(1), good(), 10'000, at(0));
  EXPECT_NE(cache.find(key(1), 10'000, at(9'999)), nullptr);
  EXPECT_EQ(cache.find(key(1), 10'000, at(10'000)), nullptr);
  EXPECT_EQ(cache.find(key(1), 5'000, at(5'000)), nullptr);
  EXPECT_EQ(cache.find(key(1), 0, at(0)), nullptr);
  EXPECT_EQ(cache.find(key(2), 10'000, at(0)), nullptr);
  EXPECT_EQ(cache.find(key(1, 2), 10'000, at(0)), nullptr);
}

TEST(AnswerCache, believes_nothing_beyond_exp) {
  AnswerCache cache({});
  cache.insert(key(1), good(start_s + 2), 10'000, at(0));
  EXPECT_NE(cache.find(key(1), 10'000, at(1'999)), nullptr);
  EXPECT_EQ(cache.find(key(1), 10'000, at(2'000)), nullptr);
  EXPECT_EQ(cache.active_count(), 0U);
  cache.insert(key(2), good(start_s), 10'000, at(0));
  EXPECT_EQ(cache.active_count(), 0U);
}

TEST(AnswerCache, keeps_bad_answers_briefly_and_good_ones_only_on_request) {
  AnswerCache cache({});
  cache.insert(key(1), bad(), 0, at(0));
  EXPECT_NE(cache.find(key(1), 0, at(4'999)), nullptr);
  EXPECT_EQ(cache.find(key(1), 0, at(5'000)), nullptr);
  cache.insert(key(2), good(), 0, at(0));
  EXPECT_EQ(cache.active_count(), 0U);
}

TEST(AnswerCache, forgets_a_good_answer_when_a_bad_one_comes) {
  AnswerCache cache({});
  cache.insert(key(1), good(), 60'000, at(0));
  cache.insert(key(1), bad(), 60'000, at(1));
  const auto found = cache.find(key(1), 60'000, at(2));
  ASSERT_NE(found, nullptr);
  EXPECT_FALSE(found->is_active);
  EXPECT_EQ(cache.find(key(1), 60'000, at(5'001)), nullptr);
  cache.insert(key(1), good(), 60'000, at(5'001));
  EXPECT_TRUE(cache.find(key(1), 60'000, at(5'002))->is_active);
}

TEST(AnswerCache, is_not_emptied_of_good_answers_by_a_flood_of_bad_ones) {
  AnswerCache cache({.active = 4, .inactive = 8});
  for (unsigned i = 0; i < 4; ++i) cache.insert(key(i), good(), 60'000, at(0));
  for (unsigned i = 100; i < 1'100; ++i) cache.insert(key(i), bad(), 60'000, at(1));
  EXPECT_EQ(cache.inactive_count(), 8U);
  for (unsigned i = 0; i < 4; ++i) EXPECT_NE(cache.find(key(i), 60'000, at(2)), nullptr) << i;
}

TEST(AnswerCache, drops_what_was_used_longest_ago_at_each_of_its_bounds) {
  AnswerCache cache({.active = 3, .active_bytes = 100, .answer_bytes = 60});
  for (unsigned i = 0; i < 3; ++i) cache.insert(key(i), good(), 60'000, at(0));
  EXPECT_NE(cache.find(key(0), 60'000, at(1)), nullptr);
  cache.insert(key(3), good(), 60'000, at(2));
  EXPECT_EQ(cache.find(key(1), 60'000, at(3)), nullptr);
  EXPECT_NE(cache.find(key(0), 60'000, at(3)), nullptr);
  cache.insert(key(4), good(0, 60), 60'000, at(4));
  cache.insert(key(5), good(0, 60), 60'000, at(5));
  EXPECT_LE(cache.active_bytes(), 100U);
  EXPECT_EQ(cache.find(key(4), 60'000, at(6)), nullptr);
  EXPECT_NE(cache.find(key(5), 60'000, at(6)), nullptr);
  cache.insert(key(6), good(0, 61), 60'000, at(7));
  EXPECT_EQ(cache.find(key(6), 60'000, at(7)), nullptr);
}

}  // namespace
}  // namespace keepgate::issuer

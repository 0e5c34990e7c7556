#include "upstream/hash.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace keepgate::upstream {
namespace {

TEST(Crc32, is_the_one_of_the_standards) {
  EXPECT_EQ(crc32(""), 0U);
  EXPECT_EQ(crc32("123456789"), 0xCBF43926U);
}

TEST(AddressHash, takes_three_octets_of_an_ipv4_address_and_all_of_an_ipv6_one) {
  const auto first = [](std::string_view address) { return AddressHash(address).next(); };
  using namespace std::string_view_literals;
  EXPECT_EQ(first("\x0a\x01\x02\x03"sv), first("\x0a\x01\x02\xff"sv));
  EXPECT_NE(first("\x0a\x01\x02\x03"sv), first("\x0a\x01\x03\x03"sv));
  EXPECT_NE(first("0123456789abcdef"sv), first("0123456789abcdeg"sv));
  EXPECT_EQ(first(""sv), first("\0\0\0\1"sv));
  // 89 → (89·113 + 127) mod 6271 and so on.
  EXPECT_EQ(first("\x7f\0\0\1"sv), ((((89 * 113 + 127) % 6271) * 113) % 6271 * 113) % 6271U);
}

TEST(AddressHash, gives_another_value_with_every_try) {
  AddressHash hash(std::string_view("\x0a\x01\x02\x03", 4));
  const auto first = hash.next();
  EXPECT_NE(hash.next(), first);
}

TEST(KeyHash, adds_the_hashes_of_the_key_and_of_the_numbered_key) {
  KeyHash hash("key");
  const auto part = [](std::string_view text) { return (crc32(text) >> 16) & 0x7FFF; };
  EXPECT_EQ(hash.next(), part("key"));
  EXPECT_EQ(hash.next(), part("key") + part("1key"));
  EXPECT_EQ(hash.next(), part("key") + part("1key") + part("2key"));
}

TEST(Ring, has_160_points_a_unit_of_weight) {
  const Ring::Owner owners[] = {{"10.0.0.1:80", 1}, {"10.0.0.2:80", 2}};
  EXPECT_EQ(Ring(owners).point_count(), 480U);
  EXPECT_TRUE(Ring().empty());
}

TEST(Ring, moves_few_keys_when_an_owner_leaves) {
  const Ring::Owner owners[] = {{"10.0.0.1:80"}, {"10.0.0.2:80"}, {"10.0.0.3:80"}, {"10.0.0.4:80"}};
  const Ring four(owners), three({owners, 3});
  int kept = 0, theirs = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::size_t before = four.owner_at(four.find(key));
    if (before == 3) continue;
    ++theirs;
    kept += before == three.owner_at(three.find(key)) ? 1 : 0;
  }
  EXPECT_GT(theirs, 600);
  EXPECT_EQ(kept, theirs);
}

TEST(Ring, spreads_by_weight) {
  const Ring::Owner owners[] = {{"10.0.0.1:80", 1}, {"10.0.0.2:80", 3}};
  const Ring ring(owners);
  std::map<std::size_t, int> counts;
  for (int i = 0; i < 4000; ++i) ++counts[ring.owner_at(ring.find("key" + std::to_string(i)))];
  EXPECT_NEAR(counts[1], 3000, 300);
}

TEST(Ring, goes_round_and_knows_names_of_every_form) {
  const Ring::Owner owners[] = {{"unix:/run/a.sock"}, {"example.com"}, {"[::1]:8080"}, {":"}, {""}};
  const Ring ring(owners);
  EXPECT_EQ(ring.owner_at(ring.point_count()), ring.owner_at(0));
  for (int i = 0; i < 100; ++i) EXPECT_LT(ring.owner_at(ring.find(std::to_string(i))), 5U);
}

TEST(Ring, is_bounded) {
  const Ring::Owner owners[] = {{"a", 5000}, {"b", 5000}, {"c", 1}};
  EXPECT_LE(Ring(owners).point_count(), Ring::points_max);
}

}  // namespace
}  // namespace keepgate::upstream

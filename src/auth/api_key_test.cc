#include "auth/api_key.h"

#include <gtest/gtest.h>

#include <set>

namespace keepgate::auth {
namespace {

// Worked out by another program (zlib's crc32), so that a scanner that follows the description finds our keys.
constexpr std::string_view known = "kg_0123456789AB_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";

TEST(ApiKey, a_new_key_has_the_form_that_is_described) {
  const std::string key = make_api_key();
  EXPECT_EQ(key.size(), api_key_length);
  EXPECT_EQ(api_key_length, 65u);
  const auto id = parse_api_key(key);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(*id, std::string_view(key).substr(3, 12));
  EXPECT_TRUE(is_api_key_id(*id));
}

TEST(ApiKey, the_checksum_is_crc_32) {
  const std::string key = std::string(known) + "04REoF";
  EXPECT_TRUE(parse_api_key(key).has_value());
}

TEST(ApiKey, any_changed_character_is_found_by_the_checksum) {
  const std::string key = make_api_key();
  for (std::size_t i = 0; i < key.size(); ++i) {
    std::string other = key;
    other[i] = other[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(parse_api_key(other).has_value()) << i;
  }
}

TEST(ApiKey, nothing_else_is_a_key) {
  const std::string key = make_api_key();
  EXPECT_FALSE(parse_api_key("").has_value());
  EXPECT_FALSE(parse_api_key(" " + key).has_value());
  EXPECT_FALSE(parse_api_key(key + "\n").has_value());
  EXPECT_FALSE(parse_api_key(key.substr(1)).has_value());
  EXPECT_FALSE(parse_api_key(std::string(api_key_length, '\0')).has_value());
  EXPECT_FALSE(parse_api_key(std::string(1 << 20, 'a')).has_value());
  std::string signs = key;
  signs[20] = '-';
  EXPECT_FALSE(parse_api_key(signs).has_value());
}

TEST(ApiKey, keys_and_ids_do_not_repeat_and_use_the_whole_alphabet) {
  std::set<std::string> ids;
  std::set<char> used;
  for (int i = 0; i < 500; ++i) {
    const std::string key = make_api_key();
    ids.insert(key.substr(3, 12));
    used.insert(key.begin() + 16, key.begin() + 59);
  }
  EXPECT_EQ(ids.size(), 500u);
  EXPECT_EQ(used.size(), 62u);
}

TEST(ApiKey, the_hash_depends_on_the_secret_and_on_every_part_of_the_key) {
  const std::string key = make_api_key();
  EXPECT_EQ(hash_api_key("secret", key), hash_api_key("secret", key));
  EXPECT_NE(hash_api_key("secret", key), hash_api_key("Secret", key));
  EXPECT_NE(hash_api_key("secret", key), hash_api_key("secret", make_api_key()));
}

TEST(ApiKey, a_key_where_an_id_belongs_is_recognized) {
  EXPECT_TRUE(looks_like_api_key(make_api_key()));
  EXPECT_TRUE(looks_like_api_key(std::string(known)));
  EXPECT_FALSE(looks_like_api_key("0123456789AB"));
  EXPECT_FALSE(looks_like_api_key("kg_short"));
}

}  // namespace
}  // namespace keepgate::auth

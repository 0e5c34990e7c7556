#include "crypto/seal.h"

#include <gtest/gtest.h>

#include <set>

#include "base/bytes.h"
#include "crypto/base64url.h"

namespace keepgate::crypto {
namespace {

const std::string key(seal_key_bytes, 'k');

bool opens(std::string_view its_key, std::string_view sealed, std::string_view associated) {
  const Result<SecretText> opened = open_sealed(its_key, sealed, associated);
  if (!opened) {
    EXPECT_EQ(opened.error().code, "bad_seal");
  }
  return opened.has_value();
}

TEST(Seal, gives_back_what_was_sealed) {
  const std::string with_nul("a\0b", 3);
  for (const std::string& plaintext : {std::string(), std::string("x"), with_nul, std::string(100'000, 'y')}) {
    const Result<SecretText> opened = open_sealed(key, seal(key, plaintext, "session"), "session");
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->view(), plaintext);
  }
}

TEST(Seal, refuses_a_flipped_bit_at_every_byte) {
  const std::string sealed = *base64url_decode(seal(key, "a signing key", "keys"));
  ASSERT_TRUE(opens(key, base64url_encode(sealed), "keys"));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = sealed;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_FALSE(opens(key, base64url_encode(changed), "keys")) << at << ' ' << bit;
    }
  }
}

TEST(Seal, refuses_every_other_length) {
  const std::string sealed = *base64url_decode(seal(key, "a signing key", "keys"));
  for (std::size_t length = 0; length < sealed.size(); ++length) {
    EXPECT_FALSE(opens(key, base64url_encode(std::string_view(sealed).substr(0, length)), "keys")) << length;
  }
  EXPECT_FALSE(opens(key, base64url_encode(cat(sealed, '\0')), "keys"));
  EXPECT_FALSE(opens(key, std::string(3'000'000, 'A'), "keys"));
}

TEST(Seal, refuses_another_key_and_another_purpose) {
  const std::string sealed = seal(key, "a signing key", "keys");
  ASSERT_TRUE(opens(key, sealed, "keys"));
  for (std::size_t at = 0; at < key.size(); ++at) {
    std::string other = key;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_FALSE(opens(other, sealed, "keys"));
  }
  EXPECT_FALSE(opens(key, sealed, "key"));
  EXPECT_FALSE(opens(key, sealed, ""));
  EXPECT_FALSE(opens(key, sealed, "keys "));
}

TEST(Seal, refuses_what_is_no_base64url) {
  const std::string sealed = seal(key, "a signing key", "keys");
  EXPECT_FALSE(opens(key, cat(sealed, '='), "keys"));
  EXPECT_FALSE(opens(key, cat(' ', sealed), "keys"));
  EXPECT_FALSE(opens(key, "", "keys"));
}

TEST(Seal, never_uses_a_nonce_twice) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(seal(key, "", "").substr(0, 16)).second);
}

}  // namespace
}  // namespace keepgate::crypto

#include "crypto/digest.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "base/bytes.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace keepgate::crypto {
namespace {

TEST(Digest, sha256_follows_fips_180_4) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Digest, hmac_follows_rfc_4231_case_2) {
  const auto mac = [](Hash hash) {
    std::string out(digest_bytes(hash), '\0');
    hmac(hash, "Jefe", "what do ya want for nothing?", as_bytes(out));
    return to_hex(out);
  };
  EXPECT_EQ(mac(Hash::sha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(mac(Hash::sha384),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
  EXPECT_EQ(
      mac(Hash::sha512),
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a"
      "6b4b636e070a38bce737");
}

TEST(Digest, hmac_sha256_is_the_same_hash) {
  const auto mac = hmac_sha256("Jefe", "what do ya want for nothing?");
  EXPECT_EQ(to_hex({reinterpret_cast<const char*>(mac.data()), mac.size()}),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, is_the_same_on_every_thread) {
  std::string seen;
  std::thread([&] { seen = sha256_hex("abc"); }).join();
  EXPECT_EQ(seen, sha256_hex("abc"));
}

TEST(Digest, compares_length_and_content) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_constant_time("", "a"));
}

// CPython 3.11 hashes bytes with SipHash-1-3; under PYTHONHASHSEED=0 its key is zero.
TEST(SipHash, agrees_with_an_independent_implementation) {
  constexpr std::pair<std::size_t, std::uint64_t> rows[] = {
      {1, 0x68a914128e01e473},  {7, 0x2f098ab0c751325a},  {8, 0xead411e67ebe2eea},  {9, 0x75927f9d95124362},
      {15, 0xf30eb725bb91c9ea}, {16, 0x8972188433a5c5b7}, {33, 0x7fb71d24dfa4c9f6}, {904, 0x45a8ceb16bd5304c}};
  for (const auto& [size, expected] : rows) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i % 251));
    EXPECT_EQ(siphash13({}, bytes), expected) << size;
  }
}

TEST(SipHash, depends_on_every_byte_on_the_length_and_on_the_key) {
  const SipKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  std::set<std::uint64_t> seen;
  std::string bytes;
  for (int i = 0; i < 64; ++i) {
    EXPECT_TRUE(seen.insert(siphash13(key, bytes)).second);
    bytes.push_back('\0');
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string other = bytes;
    other[i] = 1;
    EXPECT_TRUE(seen.insert(siphash13(key, other)).second);
  }
  EXPECT_TRUE(seen.insert(siphash13({key.k0 ^ 1, key.k1}, bytes)).second);
  EXPECT_TRUE(seen.insert(siphash13({key.k0, key.k1 ^ 1}, bytes)).second);
}

TEST(Random, gives_22_characters_that_do_not_repeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = random_id();
    EXPECT_EQ(id.size(), 22u);
    EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_NE(random_u64(), random_u64());
}

}  // namespace
}  // namespace keepgate::crypto

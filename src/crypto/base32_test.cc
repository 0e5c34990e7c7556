// Vectors: RFC 4648 §10.
#include "crypto/base32.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::crypto {
namespace {

struct Base32Vector {
  std::string_view bytes, padded, plain;
};

constexpr Base32Vector base32_vectors[] = {
    {"", "", ""},
    {"f", "MY======", "MY"},
    {"fo", "MZXQ====", "MZXQ"},
    {"foo", "MZXW6===", "MZXW6"},
    {"foob", "MZXW6YQ=", "MZXW6YQ"},
    {"fooba", "MZXW6YTB", "MZXW6YTB"},
    {"foobar", "MZXW6YTBOI======", "MZXW6YTBOI"},
};

TEST(Base32, writes_and_reads_the_vectors_of_the_rfc) {
  for (const Base32Vector& one : base32_vectors) {
    EXPECT_EQ(base32_encode(one.bytes).view(), one.plain);
    for (const std::string_view text : {one.padded, one.plain}) {
      const auto decoded = base32_decode_secret(text);
      ASSERT_TRUE(decoded) << text;
      EXPECT_EQ(decoded->view(), one.bytes) << text;
    }
  }
}

TEST(Base32, reads_what_a_person_copied) {
  const auto decoded = base32_decode_secret("mzxw 6ytb oi");
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->view(), "foobar");
}

TEST(Base32, every_byte_comes_back) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const SecretText text = base32_encode(all);
  EXPECT_EQ(base32_decode_secret(text.view())->view(), all);
}

TEST(Base32, refuses_everything_else) {
  for (const std::string_view text :
       {"M", "MZX", "MZXW6Y", "MZ", "MZXW6YTBOJ", "MY=", "MY=====", "MY=======", "=", "======", "M1======", "M0", "M8",
        "M9", "MY-XQ", "MZXQ\n", "\tMZXQ", "MZ=Q", "M\xc3\xa4"}) {
    EXPECT_FALSE(base32_decode_secret(text)) << text;
  }
  EXPECT_FALSE(base32_decode_secret(std::string_view("MY\0", 3)));
}

}  // namespace
}  // namespace keepgate::crypto

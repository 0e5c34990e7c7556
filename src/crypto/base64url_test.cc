#include "crypto/base64url.h"

#include <gtest/gtest.h>

namespace keepgate::crypto {
namespace {

TEST(Base64url, follows_the_vectors_of_rfc_4648_without_padding) {
  constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(base64url_encode(bytes), text);
    EXPECT_EQ(base64url_decode(text), bytes);
  }
}

TEST(Base64url, uses_the_url_alphabet) {
  EXPECT_EQ(base64url_encode("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(base64url_decode("-__-"), "\xfb\xff\xfe");
  EXPECT_EQ(base64url_decode("+//+"), std::nullopt);
}

TEST(Base64url, refuses_what_is_not_the_one_spelling) {
  constexpr std::string_view rows[] = {"Zg==", "Zg=",   "Zm8=",        "Zm9v=", "Z",   "Zm9vY", " Zg",
                                       "Zg ",  "Zg\n",  "Zm\r\n9v",    "Zh",    "Zm9", "Zm-",   "Zm9v.",
                                       "Zm9%", "Zm 9v", "Zm9\xc3\xa4", "\x80g", "Zg\t"};
  for (const std::string_view row : rows) EXPECT_EQ(base64url_decode(row), std::nullopt) << row;
  EXPECT_EQ(base64url_decode(std::string_view("Zm\0v", 4)), std::nullopt);
}

TEST(Base64url, reads_back_what_it_writes_for_every_length_and_byte) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    bytes.push_back(static_cast<char>(i * 7));
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
  }
}

}  // namespace
}  // namespace keepgate::crypto

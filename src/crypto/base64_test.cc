#include "crypto/base64.h"

#include <gtest/gtest.h>

namespace keepgate::crypto {
namespace {

TEST(Base64, knows_the_vectors_of_rfc_4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xfb\xff\xfe", "+//+"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, refuses_what_has_another_spelling) {
  for (const char* text :
       {"Zg", "Zg=", "Zg===", "Zg==\n", " Zg==", "Zh==", "Zm9=", "Z===", "====", "-__-", "Zm9v=", "Z=g="}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

std::string decoded(std::string_view text) {
  const auto out = base64_decode_secret(text);
  return out ? std::string(out->view()) : "refused";
}

TEST(Base64OfSecrets, reads_what_rfc_4648_shows) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(decoded("+/+/"), "\xfb\xff\xbf");
}

TEST(Base64OfSecrets, reads_text_whose_padding_was_left_out) {
  EXPECT_EQ(decoded("Zg"), "f");
  EXPECT_EQ(decoded("Zm8"), "fo");
}

TEST(Base64OfSecrets, refuses_what_is_not_exactly_base64) {
  for (const std::string_view bad : {"Z", "Zg=", "Zg===", "=", "==", "====", "Zm9v=", "Zm9v==", "Z g=", "Zg==\n",
                                     "Zg==x", "Zh==", "Zm9=", "_-_-", "Zm\0v", "Zm9v\xff", "Zg==Zg=="}) {
    EXPECT_EQ(decoded(bad), "refused") << bad;
  }
  EXPECT_EQ(decoded({"Zm9\0", 4}), "refused");
}

TEST(SecretText, moves_without_leaving_anything_behind) {
  SecretText one(std::string_view("hunter2"));
  const char* const at = one.c_str();
  SecretText two = std::move(one);
  EXPECT_EQ(two.c_str(), at);
  EXPECT_TRUE(one.empty());  // NOLINT(bugprone-use-after-move): that is the promise.
  two.shorten(3);
  EXPECT_EQ(two.view(), "hun");
  EXPECT_EQ(std::string_view(at, 7), std::string_view("hun\0\0\0\0", 7));
}

}  // namespace
}  // namespace keepgate::crypto

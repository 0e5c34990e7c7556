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

}  // namespace
}  // namespace keepgate::crypto

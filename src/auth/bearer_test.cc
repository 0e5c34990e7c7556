#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "base/bytes.h"

namespace keepgate::auth {
namespace {

TEST(BearerToken, takes_the_credential_whatever_the_case_of_the_scheme) {
  for (const std::string_view field : {"Bearer abc.def-_~+/0==", "bearer abc.def-_~+/0==", "BEARER  abc.def-_~+/0=="}) {
    EXPECT_EQ(*bearer_token(field), "abc.def-_~+/0==") << field;
  }
}

TEST(BearerToken, is_empty_without_a_credential_of_this_scheme) {
  for (const std::string_view field : {"", "Basic dXNlcjpwYXNz", "Bearerx abc", "Bearer-Token abc", "DPoP abc",
                                       "Digest username=\"bearer\", realm=\"x\"", "Negotiate abc,def"}) {
    const Result<std::string_view> token = bearer_token(field);
    ASSERT_TRUE(token) << field;
    EXPECT_EQ(*token, "") << field;
  }
}

TEST(BearerToken, knows_its_alphabet_at_every_place) {
  const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
  for (std::size_t place = 0; place < 40; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string token(41, 'a');
      token[place] = static_cast<char>(byte);
      const bool good = alphabet.find(static_cast<char>(byte)) != std::string_view::npos;
      const bool still_no_token = place == 0 && byte == ' ';  // More white space before the token.
      EXPECT_EQ(bearer_token("Bearer " + token).has_value(), good || still_no_token) << place << ' ' << byte;
    }
  }
}

TEST(BearerToken, refuses_lists_and_characters_outside_b68token) {
  const std::string rows[] = {"Bearer",
                              "Bearer ",
                              "Bearer   ",
                              "Bearer\tabc",
                              "Bearer \tabc",
                              "Bearer abc def",
                              "Bearer abc, Bearer def",
                              "Bearer abc,def",
                              "Bearer abc ",
                              "Bearer abc\t",
                              "Bearer \"abc\"",
                              "Bearer a=b",
                              "Bearer =",
                              "Bearer abc;x",
                              "Bearer abc\x0b",
                              "Bearer abc\xa0",
                              "Bearer \xc3\xa4",
                              "Bearer,abc",
                              "Bearer=abc",
                              "Bearer:abc",
                              " Bearer abc",
                              ", Bearer abc",
                              "\"Bearer\" abc",
                              "Basic abc, Bearer def",
                              "Basic abc ,\tbearer def",
                              std::string("Bearer abc\0", 11),
                              std::string("Bearer\0abc", 10)};
  for (const std::string& row : rows) EXPECT_FALSE(bearer_token(row)) << printable(row);
}

TEST(TokenCredential, tells_the_scheme) {
  EXPECT_EQ(token_credential("DPoP a.b.c")->scheme, TokenScheme::dpop);
  EXPECT_EQ(token_credential("dpop  a.b.c")->token, "a.b.c");
  EXPECT_EQ(token_credential("Bearer a.b.c")->scheme, TokenScheme::bearer);
  EXPECT_EQ(token_credential("DPoPx a.b.c")->scheme, TokenScheme::none);
  EXPECT_EQ(token_credential("Basic eA==")->scheme, TokenScheme::none);
  EXPECT_EQ(*bearer_token("DPoP a.b.c"), "");
  for (const std::string_view bad : {"DPoP", "DPoP ", "DPoP a,b", "DPoP a b", "Basic eA==, DPoP a", " DPoP a"}) {
    EXPECT_FALSE(token_credential(bad)) << bad;
  }
}

}  // namespace
}  // namespace keepgate::auth

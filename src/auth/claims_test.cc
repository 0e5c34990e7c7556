#include "auth/claims.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::auth {
namespace {

crypto::Json json(std::string_view text) { return *crypto::parse_json(text); }

TEST(Claims, reads_numeric_dates_and_drops_fractions_towards_the_shorter_life) {
  EXPECT_EQ(**numeric_date(json(R"({"exp":100})"), "exp"), 100);
  EXPECT_EQ(**numeric_date(json(R"({"exp":100.9})"), "exp"), 100);
  EXPECT_EQ(**numeric_date(json(R"({"nbf":100.1})"), "nbf", Rounding::up), 101);
  EXPECT_EQ(**numeric_date(json(R"({"exp":1e3})"), "exp"), 1000);
  EXPECT_EQ(**numeric_date(json(R"({"exp":-5})"), "exp"), -5);
  EXPECT_EQ(**numeric_date(json(R"({"exp":9007199254740991})"), "exp"), 9007199254740991);
  EXPECT_FALSE(numeric_date(json("{}"), "exp")->has_value());
}

TEST(Claims, refuses_dates_that_are_no_sane_numbers) {
  for (const std::string_view value :
       {"\"100\"", "null", "true", "[100]", "{}", "9007199254740992", "-9007199254740992", "9223372036854775807",
        "18446744073709551615", "1e300", "-1e300", "\"\""}) {
    EXPECT_FALSE(numeric_date(json(cat(R"({"exp":)", value, '}')), "exp")) << value;
  }
}

TEST(Claims, takes_texts_that_may_name_somebody) {
  for (const std::string_view text : {"a", "client1", "spiffe://x/y", "Domain Users", "J\xc3\xbcrgen", "\xe2\x82\xac",
                                      "\xf0\x9f\x98\x80", "a,b", "\xc2\xa0x"}) {
    EXPECT_TRUE(is_identity_text(text)) << text;
  }
  EXPECT_TRUE(is_identity_text(std::string(identity_bytes_max, 'a')));
}

TEST(Claims, refuses_texts_that_read_as_something_else) {
  const std::string rows[] = {"",
                              " a",
                              "a ",
                              " ",
                              "a\r\nX: y",
                              "a\n",
                              "\ta",
                              std::string("a\0b", 3),
                              "a\x7f",
                              "a\x1b[0m",
                              "a\xc2\x85",
                              "a\xe2\x80\xae"
                              "b",
                              "a\xe2\x80\xa8",
                              "a\xe2\x81\xa6",
                              "\xe2\x80\x8f",
                              "\xff",
                              "a\xc2",
                              "a\xe2\x80",
                              "\xed\xa0\x80",
                              std::string(identity_bytes_max + 1, 'a')};
  for (const std::string& row : rows) EXPECT_FALSE(is_identity_text(row)) << printable(row);
}

TEST(Claims, reads_lists_as_arrays_or_strings) {
  using List = std::vector<std::string>;
  EXPECT_EQ(*identity_list(json(R"({"roles":["a","b c"]})"), "roles", ListKind::roles), (List{"a", "b c"}));
  EXPECT_EQ(*identity_list(json(R"({"roles":"a, b  c"})"), "roles", ListKind::roles), (List{"a", "b", "c"}));
  EXPECT_EQ(*identity_list(json(R"({"scope":"a,x  b"})"), "scope", ListKind::scopes), (List{"a,x", "b"}));
  EXPECT_EQ(*identity_list(json(R"({"scope":""})"), "scope", ListKind::scopes), List{});
  EXPECT_EQ(*identity_list(json(R"({"scope":[]})"), "scope", ListKind::scopes), List{});
  EXPECT_EQ(*identity_list(json("{}"), "scope", ListKind::scopes), List{});
}

TEST(Claims, refuses_lists_that_read_as_more_than_they_are) {
  for (const std::string_view value : {R"(["a,admins"])", R"(["a",7])", R"([["a"]])", R"([""])", R"(["a\n"])",
                                       R"("a\nb")", R"("a\u0000")", "7", "true", "null", "{}", R"([null])"}) {
    EXPECT_FALSE(identity_list(json(cat(R"({"roles":)", value, '}')), "roles", ListKind::roles)) << value;
  }
  EXPECT_FALSE(identity_list(json(R"({"scope":["a admin"]})"), "scope", ListKind::scopes));
}

}  // namespace
}  // namespace keepgate::auth

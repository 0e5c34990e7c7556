#include "oauth/cookies.h"

#include <gtest/gtest.h>

#include <array>

namespace keepgate::oauth {
namespace {

std::optional<std::string_view> in_field(std::string_view field, std::string_view name = "__Host-a") {
  const std::array fields = {field};
  return find_cookie(fields, name);
}

TEST(Cookies, the_one_of_the_name_is_found_wherever_it_stands) {
  for (const std::string_view field :
       {"__Host-a=v1", "b=2; __Host-a=v1", "__Host-a=v1; b=2", "b=2;__Host-a=v1;c", ";;__Host-a=v1;", "b; __Host-a=v1",
        "=x; __Host-a=v1", "b=\"q;\"; __Host-a=v1", "  __Host-a=v1  "}) {
    EXPECT_EQ(in_field(field), "v1") << field;
  }
  EXPECT_EQ(in_field("__Host-a=v=1="), "v=1=");
}

TEST(Cookies, two_of_one_name_are_neither) {
  EXPECT_FALSE(in_field("__Host-a=v1; __Host-a=v2"));
  EXPECT_FALSE(in_field("__Host-a=v1; __Host-a=v1"));
  EXPECT_FALSE(in_field("__Host-a=v1; __Host-a"));
  EXPECT_FALSE(in_field("__Host-a=; b=1; __Host-a=v1"));
  EXPECT_FALSE(in_field("__Host-a =v2; __Host-a=v1")) << "another reader may take the first for it";
  const std::array<std::string_view, 2> fields = {"__Host-a=v1", "__Host-a=v2"};
  EXPECT_FALSE(find_cookie(fields, "__Host-a"));
  const std::array<std::string_view, 2> one = {"b=1", "__Host-a=v2"};
  EXPECT_EQ(find_cookie(one, "__Host-a"), "v2");
}

TEST(Cookies, what_is_not_quite_it_is_not_it) {
  for (const std::string_view field :
       {"", ";", "__Host-a", "__Host-a=", "__host-a=v1", "x__Host-a=v1", "__Host-ab=v1", "__Host-a=\"v1\"",
        "__Host-a=v 1", "__Host-a=v,1", "__Host-a=v\\1", "__Host-a=v\x01", "__Host-a=\xc3\xa4", "b=__Host-a=v1"}) {
    EXPECT_FALSE(in_field(field)) << field;
  }
  EXPECT_TRUE(in_field("__Host-a=" + std::string(cookie_value_bytes_max, 'x')));
  EXPECT_FALSE(in_field("__Host-a=" + std::string(cookie_value_bytes_max + 1, 'x')));
}

TEST(Cookies, what_is_written_stays_with_us_and_away_from_scripts) {
  EXPECT_EQ(set_cookie(session_cookie, "abc"), "__Host-keepgate-session=abc; Path=/; Secure; HttpOnly; SameSite=Lax");
  EXPECT_EQ(set_cookie(browser_cookie, "abc", 60),
            "__Host-keepgate-browser=abc; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
  EXPECT_EQ(clear_cookie(session_cookie),
            "__Host-keepgate-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
}

TEST(CookiesDeathTest, a_cookie_that_others_could_plant_is_never_written) {
  EXPECT_DEATH(set_cookie("session", "abc"), "__Host-");
  EXPECT_DEATH(set_cookie(session_cookie, "a; Domain=example.com"), "is_cookie_value");
}

}  // namespace
}  // namespace keepgate::oauth

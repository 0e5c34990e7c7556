#include "oauth/params.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::oauth {
namespace {

TEST(Params, reads_names_and_values_as_forms_write_them) {
  const auto params = Params::parse("a=1+2&b=%C3%A9&c=&d");
  ASSERT_TRUE(params);
  EXPECT_EQ(params->get("a"), "1 2");
  EXPECT_EQ(params->get("b"), "\xC3\xA9");
  EXPECT_FALSE(params->has("c")) << "without a value it was not sent (RFC 6749 3.1)";
  EXPECT_FALSE(params->has("d"));
}

TEST(Params, refuses_what_is_no_text_and_what_is_broken) {
  for (const char* one : {"a=%", "a=%4", "a=%zz", "a=%00", "%00=a", "a=%ff", "a=%C3"}) {
    EXPECT_FALSE(Params::parse(one)) << one;
  }
}

TEST(Params, takes_as_many_bytes_as_it_may_and_not_one_more) {
  const std::string whole = cat("a=", std::string(Params::bytes_max - 2, 'x'));
  EXPECT_TRUE(Params::parse(whole));
  EXPECT_FALSE(Params::parse(cat(whole, 'x')));
}

TEST(Params, takes_as_many_parameters_as_it_may_and_not_one_more) {
  std::string text = "a=1";
  for (std::size_t i = 1; i < Params::count_max; ++i) append(text, "&p", i, "=1");
  EXPECT_TRUE(Params::parse(text));
  EXPECT_FALSE(Params::parse(cat(text, "&last=1")));
}

TEST(Params, tells_of_what_was_sent_twice_but_for_what_may_be) {
  EXPECT_EQ(Params::parse("scope=a&x=1&scope=b")->first_repeated(), "scope");
  EXPECT_EQ(Params::parse("resource=a&resource=b&audience=c&audience=d&scope=a")->first_repeated(), "");
}

TEST(Params, wipes_what_it_was_sent) {
  auto params = Params::parse("password=short&client_secret=one+that+is+longer+than+any+text+without+memory");
  ASSERT_TRUE(params);
  const std::string_view first = params->get("password"), second = params->get("client_secret");
  EXPECT_EQ(first, "short");
  params->wipe();
  EXPECT_EQ(first, std::string(5, '\0'));
  EXPECT_EQ(second.find_first_not_of('\0'), std::string_view::npos);
  EXPECT_FALSE(params->has("password"));
}

}  // namespace
}  // namespace keepgate::oauth

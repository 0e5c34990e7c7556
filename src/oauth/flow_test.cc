#include "oauth/flow.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::oauth {
namespace {

constexpr std::string_view key = "0123456789abcdef0123456789abcdef";
constexpr std::int64_t then_s = 1'700'000'000;

Flow some_flow() {
  return {FormPurpose::consent,
          "/authorize",
          "client_id=a&state=%26%3D+x",
          "pushed",
          "alice",
          "proof",
          "sid",
          "shown",
          then_s};
}

TEST(Flow, comes_back_as_it_was) {
  const auto opened = open_flow(key, "browser", seal_flow(key, "browser", some_flow()));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->stage, FormPurpose::consent);
  EXPECT_EQ(opened->target, "/authorize");
  EXPECT_EQ(opened->parameters, "client_id=a&state=%26%3D+x");
  EXPECT_EQ(opened->pushed, "pushed");
  EXPECT_EQ(opened->user, "alice");
  EXPECT_EQ(opened->proof, "proof");
  EXPECT_EQ(opened->session, "sid");
  EXPECT_EQ(opened->shown, "shown");
  EXPECT_EQ(opened->made_s, then_s);
}

TEST(Flow, tells_nothing_to_whoever_reads_the_page) {
  const std::string sealed = seal_flow(key, "browser", some_flow());
  EXPECT_EQ(sealed.find("alice"), std::string::npos);
  EXPECT_NE(sealed, seal_flow(key, "browser", some_flow())) << "each is sealed with a number of its own";
}

TEST(Flow, is_nothing_to_another_browser_or_key_or_when_it_was_changed) {
  const std::string sealed = seal_flow(key, "browser", some_flow());
  EXPECT_FALSE(open_flow(key, "another", sealed));
  EXPECT_FALSE(open_flow(key, "", sealed));
  EXPECT_FALSE(open_flow("0123456789abcdef0123456789abcdeF", "browser", sealed));
  EXPECT_FALSE(open_flow(key, "browser", ""));
  EXPECT_FALSE(open_flow(key, "browser", sealed.substr(1)));
  for (std::size_t i = 0; i < sealed.size(); i += 7) {
    std::string other = sealed;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_flow(key, "browser", other)) << i;
  }
}

TEST(Flow, ends_after_its_time) {
  const Flow flow = some_flow();
  EXPECT_TRUE(is_current(flow, then_s));
  EXPECT_TRUE(is_current(flow, then_s + flow_lifetime_s - 1));
  EXPECT_FALSE(is_current(flow, then_s + flow_lifetime_s));
  EXPECT_FALSE(is_current(flow, then_s - 1)) << "the clock was set back";
  EXPECT_FALSE(is_current({}, then_s));
}

}  // namespace
}  // namespace keepgate::oauth

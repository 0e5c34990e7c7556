#include "upstream/named_groups.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/bytes.h"
#include "upstream/peer.h"

namespace keepgate::upstream {
namespace {

class NamedGroupsTest : public testing::Test {
 protected:
  NamedGroupsTest() {
    auto options = std::make_shared<net::ResolverOptions>();
    options->servers = {*net::Address::ip("127.0.0.1", 9)};  // Nobody answers there.
    resolver = options;
  }
  Result<NamedGroups::GroupPointer> find(const NamedGroups::Wanted& wanted) {
    Result<NamedGroups::GroupPointer> out;
    bool done = false;
    [](NamedGroups& where, NamedGroups::Wanted what, Result<NamedGroups::GroupPointer>& into, bool& over,
       net::Loop& its_loop) -> net::Detached {
      into = co_await where.find(what, nullptr);
      over = true;
      its_loop.stop();
    }(groups, wanted, out, done, loop);
    if (!done) loop.run();
    return out;
  }

  void SetUp() override { ASSERT_TRUE(background.start()); }

  net::Background background;
  net::Loop loop;
  NamedGroups groups{loop, background};
  std::shared_ptr<const net::ResolverOptions> resolver;
};

TEST_F(NamedGroupsTest, an_address_is_a_group_that_stays) {
  const auto first = find({"127.0.0.1", 80, nullptr, 1'000});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ((*first)->servers.at(0).address.text(), "127.0.0.1:80");
  EXPECT_EQ(*find({"127.0.0.1", 80, nullptr, 1'000}), *first);
  EXPECT_EQ(groups.known({"127.0.0.1", 80, nullptr, 1'000}), *first);
  EXPECT_NE(*find({"127.0.0.1", 81, nullptr, 1'000}), *first);
  EXPECT_EQ((*find({"[::1]", 80, nullptr, 1'000}))->servers.at(0).address.text(), "[::1]:80");
}

TEST_F(NamedGroupsTest, a_name_without_name_servers_is_no_group) {
  const auto none = find({"a.test", 80, nullptr, 1'000});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().detail, "no resolver defined to resolve a.test");
  EXPECT_EQ(groups.size(), 0U);
}

TEST_F(NamedGroupsTest, a_name_that_is_not_resolved_is_no_group_and_is_not_kept) {
  const auto none = find({"a.test", 80, resolver, 30});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(groups.size(), 0U);
  EXPECT_EQ(groups.known({"a.test", 80, resolver, 30}), nullptr);
}

TEST_F(NamedGroupsTest, the_number_of_groups_is_bounded) {
  const auto first = find({"127.0.0.1", 80, nullptr, 1'000});
  for (unsigned i = 0; i < NamedGroups::groups_max - 1; ++i) {
    find({"127.0.0.1", static_cast<std::uint16_t>(1'000 + i), nullptr, 1'000}).value();
  }
  EXPECT_EQ(groups.size(), NamedGroups::groups_max);
  EXPECT_EQ(groups.known({"127.0.0.1", 80, nullptr, 1'000}), *first);
  find({"127.0.0.1", 9'000, nullptr, 1'000}).value();
  EXPECT_EQ(groups.size(), NamedGroups::groups_max);
  EXPECT_NE(groups.known({"127.0.0.1", 80, nullptr, 1'000}), nullptr) << "it was used just now";
  EXPECT_EQ(groups.known({"127.0.0.1", 1'000, nullptr, 1'000}), nullptr) << "it was used least recently";
}

}  // namespace
}  // namespace keepgate::upstream

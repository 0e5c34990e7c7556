#include "route/geo.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::route {

namespace {

Cidr net(std::string_view text) { return Cidr::parse(text).value(); }

TEST(Geo, the_most_specific_network_wins_whatever_the_order) {
  Geo geo;
  geo.set_default("nobody");
  EXPECT_TRUE(geo.add(net("10.0.0.0/8"), "eight"));
  EXPECT_TRUE(geo.add(net("10.1.0.0/16"), "sixteen"));
  EXPECT_TRUE(geo.add(net("10.1.2.3"), "one"));
  EXPECT_TRUE(geo.add(net("2001:db8::/33"), "six"));
  EXPECT_EQ(geo.lookup_text("10.9.9.9"), "eight");
  EXPECT_EQ(geo.lookup_text("10.1.9.9"), "sixteen");
  EXPECT_EQ(geo.lookup_text("10.1.2.3"), "one");
  EXPECT_EQ(geo.lookup_text("10.1.2.4"), "sixteen");
  EXPECT_EQ(geo.lookup_text("11.0.0.0"), "nobody");
  EXPECT_EQ(geo.lookup_text("9.255.255.255"), "nobody");
  EXPECT_EQ(geo.lookup_text("2001:db8:7fff::1"), "six");
  EXPECT_EQ(geo.lookup_text("2001:db8:8000::"), "nobody");
  EXPECT_EQ(geo.lookup_text("::ffff:10.1.2.3"), "one") << "IPv4 in IPv6's clothes";
}

TEST(Geo, what_is_no_address_is_255_255_255_255) {
  Geo geo;
  geo.set_default("nobody");
  EXPECT_EQ(geo.lookup_text(""), "nobody");
  EXPECT_EQ(geo.lookup(""), "nobody");
  EXPECT_TRUE(geo.add(net("255.255.255.255"), "last"));
  EXPECT_EQ(geo.lookup_text("no address"), "last");
  EXPECT_EQ(geo.lookup_text("10.0.0.0/8"), "last") << "a network is no address";
  EXPECT_EQ(geo.lookup("abc"), "last");
}

TEST(Geo, a_network_that_comes_again_is_replaced_and_one_can_be_removed) {
  Geo geo;
  EXPECT_TRUE(geo.add(net("10.0.0.0/8"), "first"));
  EXPECT_FALSE(geo.add(net("10.0.0.0/8"), "second"));
  EXPECT_EQ(geo.lookup_text("10.0.0.1"), "second");
  EXPECT_FALSE(geo.remove(net("10.0.0.0/9")));
  EXPECT_TRUE(geo.remove(net("10.0.0.0/8")));
  EXPECT_EQ(geo.lookup_text("10.0.0.1"), "");
}

TEST(Geo, of_ranges_the_last_written_holds) {
  Geo geo;
  geo.set_default("nobody");
  const auto add = [&](std::string_view range, std::string value) {
    const auto ends = parse_address_range(range).value();
    geo.add_range(ends.first, ends.second, std::move(value));
  };
  add("10.0.0.0-10.0.0.255", "all");
  add("10.0.0.5-10.0.0.6", "two");
  add("255.255.255.0-255.255.255.255", "end");
  EXPECT_EQ(geo.lookup_text("10.0.0.4"), "all");
  EXPECT_EQ(geo.lookup_text("10.0.0.5"), "two");
  EXPECT_EQ(geo.lookup_text("10.0.0.6"), "two");
  EXPECT_EQ(geo.lookup_text("10.0.0.7"), "all");
  EXPECT_EQ(geo.lookup_text("10.0.1.0"), "nobody");
  EXPECT_EQ(geo.lookup_text("9.255.255.255"), "nobody");
  EXPECT_EQ(geo.lookup_text("255.255.255.255"), "end");
  EXPECT_EQ(geo.lookup_text("2001:db8::1"), "end") << "no range has IPv6 addresses: 255.255.255.255";
  geo.remove_range(parse_address_range("10.0.0.0-10.0.0.5")->first, parse_address_range("10.0.0.0-10.0.0.5")->second);
  EXPECT_EQ(geo.lookup_text("10.0.0.5"), "nobody");
  EXPECT_EQ(geo.lookup_text("10.0.0.6"), "two");
}

TEST(Geo, a_range_has_two_ipv4_addresses_in_order) {
  EXPECT_TRUE(parse_address_range("10.0.0.1-10.0.0.1"));
  for (const std::string_view bad :
       {"", "-", "10.0.0.1", "10.0.0.2-10.0.0.1", "10.0.0.0/8-10.0.0.1", "::1-::2", "a-b"}) {
    EXPECT_FALSE(parse_address_range(bad)) << bad;
  }
}

}  // namespace

}  // namespace keepgate::route

#include "base/cidr.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace keepgate {
namespace {

std::string bytes_of(const std::string& text) {
  char bytes[16];
  if (::inet_pton(AF_INET, text.c_str(), bytes) == 1) return {bytes, 4};
  EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), bytes), 1) << text;
  return {bytes, 16};
}

CidrSet set_of(std::initializer_list<const char*> networks) {
  CidrSet out;
  for (const char* text : networks) {
    const auto network = Cidr::parse(text);
    EXPECT_TRUE(network) << text;
    if (network) out.add(*network);
  }
  return out;
}

TEST(Cidr, reads_addresses_and_networks) {
  EXPECT_EQ(Cidr::parse("10.1.2.3")->prefix_bits, 32u);
  EXPECT_EQ(Cidr::parse("::1")->prefix_bits, 128u);
  EXPECT_EQ(Cidr::parse("10.0.0.0/8")->prefix_bits, 8u);
  EXPECT_EQ(Cidr::parse("0.0.0.0/0")->prefix_bits, 0u);
  EXPECT_FALSE(Cidr::parse("10.0.0.0/8")->has_host_bits);
  EXPECT_TRUE(Cidr::parse("10.0.0.1/8")->has_host_bits);
}

TEST(Cidr, refuses_what_is_no_network) {
  for (const char* text : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/9", "::/129",
                           "[::1]", "10.0.0.0/8 ", "010.0.0.256", "localhost", "1.2.3.4:80", "::1%lo"}) {
    EXPECT_FALSE(Cidr::parse(text)) << text;
  }
  EXPECT_FALSE(Cidr::parse(std::string_view("10.0.0.1\0", 9)));
  EXPECT_FALSE(Cidr::parse(std::string(500, '1')));
}

TEST(CidrSet, holds_the_ends_of_a_network_and_nothing_beside_it) {
  const CidrSet set = set_of({"192.0.2.64/26", "2001:db8:0:8::/61"});
  for (const char* inside : {"192.0.2.64", "192.0.2.127", "2001:db8:0:8::", "2001:db8:0:f:ffff:ffff:ffff:ffff"}) {
    EXPECT_TRUE(set.contains(bytes_of(inside))) << inside;
  }
  for (const char* outside : {"192.0.2.63", "192.0.2.128", "2001:db8:0:7:ffff:ffff:ffff:ffff", "2001:db8:0:10::"}) {
    EXPECT_FALSE(set.contains(bytes_of(outside))) << outside;
  }
}

TEST(CidrSet, takes_a_mapped_address_for_the_ipv4_address_that_it_is) {
  EXPECT_TRUE(set_of({"10.0.0.0/8"}).contains(bytes_of("::ffff:10.1.1.1")));
  EXPECT_TRUE(set_of({"::ffff:10.0.0.0/104"}).contains(bytes_of("10.1.1.1")));
  EXPECT_FALSE(set_of({"::ffff:10.0.0.0/104"}).contains(bytes_of("11.0.0.0")));
  EXPECT_FALSE(set_of({"::/0"}).contains(bytes_of("10.1.1.1")));
  EXPECT_FALSE(set_of({"0.0.0.0/0"}).contains(bytes_of("::1")));
}

TEST(CidrSet, holds_nothing_when_empty_and_nothing_that_is_no_address) {
  EXPECT_FALSE(CidrSet().contains(bytes_of("127.0.0.1")));
  const CidrSet everything = set_of({"0.0.0.0/0", "::/0"});
  EXPECT_TRUE(everything.contains(bytes_of("255.255.255.255")));
  EXPECT_TRUE(everything.contains(bytes_of("ffff::")));
  EXPECT_FALSE(everything.contains(""));
  EXPECT_FALSE(everything.contains("unix:"));
}

TEST(CidrSet, agrees_with_comparing_bit_by_bit) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 200; ++round) {
    CidrSet set;
    std::vector<Cidr> networks;
    for (unsigned i = 0; i < 12; ++i) {
      Cidr one;
      one.byte_count = 4;
      one.bytes = {10, static_cast<std::uint8_t>(random() % 4), static_cast<std::uint8_t>(random()), 0};
      one.prefix_bits = 8 + random() % 25;
      for (unsigned bit = one.prefix_bits; bit < 32; ++bit) one.bytes[bit / 8] &= ~(0x80U >> bit % 8);
      networks.push_back(one);
      set.add(one);
    }
    for (unsigned i = 0; i < 200; ++i) {
      const std::string address{10, static_cast<char>(random() % 5), static_cast<char>(random()),
                                static_cast<char>(random() % 3)};
      bool expected = false;
      for (const Cidr& one : networks) {
        bool same = true;
        for (unsigned bit = 0; bit < one.prefix_bits; ++bit) {
          same = same && !((one.bytes[bit / 8] ^ static_cast<std::uint8_t>(address[bit / 8])) & (0x80U >> bit % 8));
        }
        expected = expected || same;
      }
      EXPECT_EQ(set.contains(address), expected);
    }
  }
}

}  // namespace
}  // namespace keepgate

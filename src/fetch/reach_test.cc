#include "fetch/reach.h"

#include <gtest/gtest.h>

#include "net/address.h"

namespace keepgate::fetch {
namespace {

bool reaches(std::string_view text, Reach reach) {
  const auto address = net::Address::ip(text, 1);
  EXPECT_TRUE(address) << text;
  return address && may_connect(address->ip_bytes(), reach);
}

TEST(Reach, global_addresses_are_for_everybody_but_those_who_stay_here) {
  for (const char* text : {"8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8",
                           "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(reaches(text, Reach::global)) << text;
    EXPECT_TRUE(reaches(text, Reach::with_private)) << text;
    EXPECT_FALSE(reaches(text, Reach::loopback)) << text;
  }
}

TEST(Reach, private_networks_have_to_be_allowed) {
  for (const char* text : {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1",
                           "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"}) {
    EXPECT_FALSE(reaches(text, Reach::global)) << text;
    EXPECT_TRUE(reaches(text, Reach::with_private)) << text;
    EXPECT_FALSE(reaches(text, Reach::loopback)) << text;
  }
}

TEST(Reach, this_machine_has_to_be_allowed) {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(reaches(text, Reach::global)) << text;
    EXPECT_TRUE(reaches(text, Reach::with_private)) << text;
    EXPECT_TRUE(reaches(text, Reach::loopback)) << text;
  }
}

TEST(Reach, some_addresses_are_for_nobody) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "169.254.169.254",
                           "192.0.0.192",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "240.0.0.1",
                           "::",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1",
                           "100::1",
                           "2001::1",
                           "2001:db8::1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::a9fe:a9fe",
                           "2002:a9fe:a9fe::",
                           "::127.0.0.1",
                           "64:ff9b:1::1"}) {
    for (const Reach reach : {Reach::global, Reach::with_private, Reach::loopback}) {
      EXPECT_FALSE(reaches(text, reach)) << text;
    }
  }
  EXPECT_FALSE(may_connect("", Reach::with_private));
  EXPECT_FALSE(may_connect("/run/x.sock", Reach::with_private));
}

}  // namespace
}  // namespace keepgate::fetch

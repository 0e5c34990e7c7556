#include "auth/address_rules.h"

#include <gtest/gtest.h>

namespace keepgate::auth {
namespace {

using Who = AddressRules::Who;

std::string_view bytes(const Cidr& one) { return {reinterpret_cast<const char*>(one.bytes.data()), one.byte_count}; }

AddressVerdict judge(const AddressRules& rules, std::string_view address) {
  const auto parsed = Cidr::parse(address);
  EXPECT_TRUE(parsed) << address;
  return rules.judge(bytes(*parsed));
}

TEST(AddressRules, the_first_that_matches_decides) {
  AddressRules rules;
  rules.add(false, Who::network, *Cidr::parse("192.168.1.1"));
  rules.add(true, Who::network, *Cidr::parse("192.168.1.0/24"));
  rules.add(true, Who::network, *Cidr::parse("2001:db8::/32"));
  rules.add(false, Who::everybody);
  EXPECT_EQ(judge(rules, "192.168.1.1"), AddressVerdict::denied);
  EXPECT_EQ(judge(rules, "192.168.1.2"), AddressVerdict::allowed);
  EXPECT_EQ(judge(rules, "::ffff:192.168.1.2"), AddressVerdict::allowed);
  EXPECT_EQ(judge(rules, "2001:db8::1"), AddressVerdict::allowed);
  EXPECT_EQ(judge(rules, "192.168.2.1"), AddressVerdict::denied);
  EXPECT_EQ(rules.judge({}), AddressVerdict::denied);
}

TEST(AddressRules, where_none_matches_nothing_is_said) {
  AddressRules rules;
  EXPECT_EQ(judge(rules, "10.0.0.1"), AddressVerdict::none);
  rules.add(false, Who::network, *Cidr::parse("10.0.0.0/8"));
  EXPECT_EQ(judge(rules, "11.0.0.1"), AddressVerdict::none);
  EXPECT_EQ(judge(rules, "10.0.0.1"), AddressVerdict::denied);
}

TEST(AddressRules, a_unix_socket_has_no_network) {
  AddressRules rules;
  rules.add(false, Who::network, *Cidr::parse("0.0.0.0/0"));
  EXPECT_EQ(rules.judge({}), AddressVerdict::none);
  rules.add(true, Who::unix_socket);
  EXPECT_EQ(rules.judge({}), AddressVerdict::allowed);
  EXPECT_EQ(judge(rules, "10.0.0.1"), AddressVerdict::denied);
}

}  // namespace
}  // namespace keepgate::auth

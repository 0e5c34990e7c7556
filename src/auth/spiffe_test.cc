#include "auth/spiffe.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::auth {
namespace {

TEST(SpiffeId, takes_what_the_standard_shows) {
  EXPECT_TRUE(is_spiffe_id("spiffe://staging.example.com/payments/mysql"));
  EXPECT_TRUE(is_spiffe_id("spiffe://k8s-west.example.com/ns/staging/sa/default"));
  EXPECT_TRUE(is_spiffe_id("spiffe://a_b.1/A-z.0_9"));
}

TEST(SpiffeId, refuses_every_other_spelling) {
  for (const std::string_view text : {"",
                                      "spiffe://",
                                      "spiffe:///x",
                                      "spiffe://a",
                                      "spiffe://a/",
                                      "spiffe://a/b/",
                                      "spiffe://a//b",
                                      "spiffe://a/./b",
                                      "spiffe://a/../b",
                                      "spiffe://A/b",
                                      "SPIFFE://a/b",
                                      "spiffe:/a/b",
                                      "spiffe://a:1/b",
                                      "spiffe://u@a/b",
                                      "spiffe://a/b?q",
                                      "spiffe://a/b#f",
                                      "spiffe://a/%62",
                                      "spiffe://a/b c",
                                      "spiffe://a/\xc3\xa9",
                                      "http://a/b",
                                      " spiffe://a/b",
                                      "spiffe://a/b\n"}) {
    EXPECT_FALSE(is_spiffe_id(text)) << text;
  }
  EXPECT_FALSE(is_spiffe_id(std::string_view("spiffe://a/b\0c", 14)));
}

TEST(SpiffeId, is_bounded) {
  EXPECT_TRUE(is_spiffe_id("spiffe://" + std::string(255, 'a') + "/x"));
  EXPECT_FALSE(is_spiffe_id("spiffe://" + std::string(256, 'a') + "/x"));
  EXPECT_TRUE(is_spiffe_id("spiffe://a/" + std::string(2037, 'x')));
  EXPECT_FALSE(is_spiffe_id("spiffe://a/" + std::string(2038, 'x')));
}

TEST(SpiffeIdOf, needs_exactly_one_uri_and_no_right_to_sign) {
  crypto::Certificate certificate;
  EXPECT_FALSE(spiffe_id_of(certificate));
  certificate.uris = {"spiffe://a/b"};
  certificate.dns_names = {"b.example"};
  EXPECT_EQ(spiffe_id_of(certificate), "spiffe://a/b");
  certificate.may_sign_certificates = true;
  EXPECT_FALSE(spiffe_id_of(certificate));
  certificate.may_sign_certificates = false;
  certificate.uris.push_back("https://a/b");
  EXPECT_FALSE(spiffe_id_of(certificate));
  certificate.uris = {"https://a/b"};
  EXPECT_FALSE(spiffe_id_of(certificate));
}

}  // namespace
}  // namespace keepgate::auth

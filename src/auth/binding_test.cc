#include "auth/binding.h"

#include <gtest/gtest.h>

#include "crypto/base64url.h"

namespace keepgate::auth {
namespace {

crypto::PresentedCertificate shown(std::string_view der) {
  crypto::PresentedCertificate out;
  out.leaf.der = der;
  return out;
}

std::string thumbprint(const crypto::PresentedCertificate& certificate) {
  const auto digest = certificate.leaf.sha256();
  return crypto::base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string fault(std::string_view claims, const crypto::PresentedCertificate* certificate) {
  const auto json = crypto::parse_json(claims);
  EXPECT_TRUE(json) << claims;
  return fault_of_certificate_binding(*json, certificate);
}

TEST(CertificateBinding, holds_with_the_certificate_and_with_no_other) {
  const auto own = shown("abc"), other = shown("abd");
  const std::string claims = R"({"cnf":{"x5t#S256":")" + thumbprint(own) + R"("}})";
  EXPECT_EQ(fault(claims, &own), "");
  EXPECT_EQ(fault(claims, &other), "the token is bound to another certificate");
  EXPECT_EQ(fault(claims, nullptr), "the token is bound to a certificate, and the client showed none");
  const auto unreadable = shown("");
  EXPECT_NE(fault(claims, &unreadable), "");
}

TEST(CertificateBinding, asks_nothing_where_nothing_binds) {
  const auto any = shown("abc");
  for (const char* claims : {"{}", R"({"cnf":{}})", R"({"cnf":{"jkt":"x"}})"}) {
    EXPECT_EQ(fault(claims, nullptr), "") << claims;
    EXPECT_EQ(fault(claims, &any), "") << claims;
  }
}

TEST(CertificateBinding, refuses_what_it_cannot_read) {
  const auto any = shown("abc");
  for (const char* claims : {R"({"cnf":null})", R"({"cnf":"x"})", R"({"cnf":[]})", R"({"cnf":{"x5t#S256":null}})",
                             R"({"cnf":{"x5t#S256":1}})", R"({"cnf":{"x5t#S256":""}})", R"({"cnf":{"x5t#S256":{}}})"}) {
    EXPECT_NE(fault(claims, &any), "") << claims;
    EXPECT_NE(fault(claims, nullptr), "") << claims;
  }
}

}  // namespace
}  // namespace keepgate::auth

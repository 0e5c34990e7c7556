#include <gtest/gtest.h>

#include "auth/authenticate.h"
#include "base/bytes.h"
#include "crypto/test_keys.h"
#include "http/h1_parser.h"

namespace keepgate::auth {
namespace {

constexpr std::int64_t certificate_now_s = 1'900'000'000;

class NoCertificateValues final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return {}; }
};

// A location that asks for a certificate, and a client that shows a good one.
struct CertificateCase {
  CertificateCase() {
    options.certificate.enabled = true;
    options.certificate.realm = "gate";
    shown.verified = true;
    shown.leaf.der = "der";
    shown.leaf.not_before_s = certificate_now_s - 10;
    shown.leaf.not_after_s = certificate_now_s + 10;
    shown.leaf.uris = {"spiffe://shop/orders"};
    shown.leaf.dns_names = {"Orders.shop"};
    shown.leaf.common_name = "orders";
  }

  AccessResult run(std::string_view fields = "") {
    text = cat("GET / HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
    parser = std::make_unique<http::RequestParser>();
    EXPECT_EQ(parser->parse(text), http::ParseStatus::complete);
    return authenticate({.options = options,
                         .head = parser->head(),
                         .channel = {{}, true, shows ? &shown : nullptr},
                         .variables = variables,
                         .arena = arena,
                         .now = {0, certificate_now_s * 1000},
                         .method = "GET"},
                        false);
  }
  std::string refusal() {
    const AccessResult result = run();
    EXPECT_EQ(result.access, Access::refused);
    EXPECT_EQ(result.status, 401);
    EXPECT_EQ(result.principal, nullptr);
    return result.reason;
  }
  std::string name() {
    const AccessResult result = run();
    EXPECT_EQ(result.access, Access::accepted) << result.reason;
    return result.principal ? result.principal->describe() : "nobody";
  }

  AuthOptions options;
  crypto::PresentedCertificate shown;
  bool shows = true;
  NoCertificateValues variables;
  Arena arena;
  std::string text;
  std::unique_ptr<http::RequestParser> parser;
};

TEST(ClientCertificate, names_a_workload_by_its_spiffe_id) {
  CertificateCase one;
  const AccessResult result = one.run();
  ASSERT_EQ(result.access, Access::accepted);
  EXPECT_EQ(result.principal->service, "spiffe://shop/orders");
  EXPECT_EQ(result.principal->client, "");
  EXPECT_EQ(result.principal->method, AuthMethod::client_certificate);
}

TEST(ClientCertificate, names_nobody_by_two_uris_or_by_none) {
  CertificateCase one;
  one.shown.leaf.uris.push_back("https://shop/orders");
  EXPECT_EQ(one.refusal(), "the client certificate has 2 URIs, and one is wanted");
  one.shown.leaf.uris.clear();
  EXPECT_EQ(one.refusal(), "the client certificate has 0 URIs, and one is wanted");
}

TEST(ClientCertificate, a_spiffe_id_that_is_not_valid_is_no_other_uri_either) {
  for (const char* uri : {"spiffe://shop", "spiffe://shop/a/../b", "SPIFFE://shop/a", "spiffe:x"}) {
    CertificateCase one;
    one.shown.leaf.uris = {uri};
    EXPECT_NE(one.refusal(), "") << uri;
  }
  CertificateCase signer;
  signer.shown.leaf.may_sign_certificates = true;
  EXPECT_NE(signer.refusal(), "");
  CertificateCase other;
  other.shown.leaf.uris = {"https://shop/orders"};
  EXPECT_EQ(other.name(), "client:https://shop/orders");
}

TEST(ClientCertificate, names_by_one_dns_name) {
  CertificateCase one;
  one.options.certificate.name = CertificateName::san_dns;
  EXPECT_EQ(one.name(), "client:orders.shop");
  one.shown.leaf.dns_names = {"*.shop"};
  EXPECT_EQ(one.refusal(), "the client certificate is for a wildcard");
  one.shown.leaf.dns_names = {"a.shop", "b.shop"};
  EXPECT_NE(one.refusal(), "");
  one.shown.leaf.dns_names.clear();
  EXPECT_NE(one.refusal(), "");  // Never the common name in its place.
}

TEST(ClientCertificate, names_by_the_common_name_if_told_to) {
  CertificateCase one;
  one.options.certificate.name = CertificateName::common_name;
  EXPECT_EQ(one.name(), "client:orders");
  one.shown.leaf.common_name.clear();
  EXPECT_NE(one.refusal(), "");
}

TEST(ClientCertificate, counts_only_while_verified_and_in_date) {
  CertificateCase one;
  one.shown.verified = false;
  one.shown.fault = "self-signed certificate";
  EXPECT_EQ(one.refusal(), "client certificate: self-signed certificate");
  one.shown.verified = true;
  one.shown.leaf.not_after_s = certificate_now_s - 1;
  EXPECT_NE(one.refusal(), "");
  one.shown.leaf.not_after_s = certificate_now_s;
  EXPECT_EQ(one.name(), "spiffe://shop/orders");
  one.shown.leaf.not_before_s = certificate_now_s + 1;
  EXPECT_NE(one.refusal(), "");
}

TEST(ClientCertificate, odd_names_name_nobody_whatever_counts) {
  for (const auto name : {CertificateName::san_uri, CertificateName::san_dns, CertificateName::common_name}) {
    CertificateCase one;
    one.options.certificate.name = name;
    one.shown.leaf.names_are_odd = true;
    EXPECT_NE(one.refusal(), "");
  }
}

TEST(ClientCertificate, none_is_refused_with_a_challenge) {
  CertificateCase one;
  one.shows = false;
  const AccessResult result = one.run();
  EXPECT_EQ(result.access, Access::refused);
  EXPECT_EQ(result.challenge, "ClientCertificate realm=\"gate\"");
}

TEST(ClientCertificate, and_a_token_are_both_wanted_and_the_token_speaks_for_the_caller) {
  CertificateCase one;
  one.options.jwt.enabled = true;
  one.options.jwt.keys = crypto::test::verifying_set(crypto::Algorithm::es256);
  one.options.jwt.verifier_id = 1;
  EXPECT_EQ(one.run().status, 401);
  const std::string token =
      crypto::test::signed_token(*crypto::test::signing_key(crypto::Algorithm::es256), R"({"client_id":"web"})", "");
  const std::string field = cat("Authorization: Bearer ", token, "\r\n");
  const AccessResult both = one.run(field);
  ASSERT_EQ(both.access, Access::accepted) << both.reason;
  EXPECT_EQ(both.principal->client, "web");
  one.shows = false;
  EXPECT_EQ(one.run(field).access, Access::refused);
}

TEST(ClientCertificate, binds_a_token_where_the_token_says_so) {
  CertificateCase one;
  one.options.certificate.enabled = false;
  one.options.jwt.enabled = true;
  one.options.jwt.keys = crypto::test::verifying_set(crypto::Algorithm::es256);
  one.options.jwt.verifier_id = 1;
  const std::string token = crypto::test::signed_token(*crypto::test::signing_key(crypto::Algorithm::es256),
                                                       R"({"client_id":"web","cnf":{"x5t#S256":"AAAA"}})", "");
  const AccessResult result = one.run(cat("Authorization: Bearer ", token, "\r\n"));
  EXPECT_EQ(result.access, Access::refused);
  EXPECT_EQ(result.status, 401);
  EXPECT_EQ(result.code, "invalid_token");
}

}  // namespace
}  // namespace keepgate::auth

#include "tls/credentials.h"

#include <gtest/gtest.h>

#include "tls/session_fixture_for_tests.h"

namespace keepgate::tls {
namespace {

class CredentialsTest : public TlsTest {
 protected:
  // The codes of all complaints, "KG601 KG603 ", of a server with these files.
  std::string codes_of(const ServerOptions& options) {
    Diagnostics diagnostics;
    const auto made = ServerContext::build(options, {"keepgate.conf", 7, 1, 1, {}}, diagnostics);
    EXPECT_EQ(made == nullptr, diagnostics.has_errors());
    std::string codes;
    text_.clear();
    for (const Diagnostic& one : diagnostics.all()) {
      codes += one.code + ' ';
      text_ += one.message + '\n';
      EXPECT_EQ(one.place.line, 7U);
    }
    return codes;
  }
  std::string codes_of(const std::string& certificate, const std::string& key) {
    ServerOptions options;
    options.certificates = {{certificate, key}};
    return codes_of(options);
  }

  std::string text_;
};

TEST_F(CredentialsTest, takes_a_certificate_with_its_key) {
  const auto [certificate, key] = folder_.write_pair("a", make_leaf({}));
  EXPECT_EQ(codes_of(certificate, key), "");
}

TEST_F(CredentialsTest, refuses_a_key_of_another_certificate) {
  const std::string certificate = folder_.write_certificate("a.crt", make_leaf({}));
  const std::string key = folder_.write_key("b.key", make_leaf({}));
  EXPECT_EQ(codes_of(certificate, key), "KG603 ");
}

TEST_F(CredentialsTest, reports_both_missing_files_at_once) {
  EXPECT_EQ(codes_of(folder_.path("none.crt"), folder_.path("none.key")), "KG601 KG601 ");
  EXPECT_NE(text_.find("No such file"), std::string::npos);
}

TEST_F(CredentialsTest, refuses_what_is_no_pem) {
  const auto [certificate, key] = folder_.write_pair("a", make_leaf({}));
  const std::string empty = folder_.write("empty", "");
  const std::string broken =
      folder_.write("broken", "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(codes_of(empty, key), "KG602 ");
  EXPECT_EQ(codes_of(broken, key), "KG602 ");
  EXPECT_EQ(codes_of(certificate, empty), "KG602 ");
  EXPECT_EQ(codes_of(certificate, certificate), "KG602 ");
  EXPECT_EQ(codes_of(folder_.path(""), key), "KG601 ");
}

TEST_F(CredentialsTest, refuses_a_chain_whose_end_is_broken) {
  const auto [certificate, key] = folder_.write_pair("a", make_leaf({}));
  std::ofstream(certificate, std::ios::app) << "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(codes_of(certificate, key), "KG602 ");
}

TEST_F(CredentialsTest, refuses_a_key_with_a_passphrase_without_asking_for_it) {
  const Issued leaf = make_leaf({});
  const std::string certificate = folder_.write_certificate("a.crt", leaf);
  EXPECT_EQ(codes_of(certificate, folder_.write_key("a.key", leaf, "secret")), "KG602 ");
}

TEST_F(CredentialsTest, warns_of_a_key_that_others_can_read) {
  const auto [certificate, key] = folder_.write_pair("a", make_leaf({}));
  const struct {
    mode_t mode;
    std::string codes;
  } cases[] = {{0600, ""},       {0400, ""},       {0640, ""},      {0644, "KG604 "},
               {0604, "KG604 "}, {0602, "KG604 "}, {0660, "KG604 "}};
  for (const auto& one : cases) {
    ASSERT_EQ(::chmod(key.c_str(), one.mode), 0);
    EXPECT_EQ(codes_of(certificate, key), one.codes) << one.mode;
  }
}

TEST_F(CredentialsTest, a_server_needs_a_certificate) { EXPECT_EQ(codes_of(ServerOptions{}), "KG607 "); }

TEST_F(CredentialsTest, judges_protocols) {
  ServerOptions options;
  options.certificates = {folder_.write_pair("a", make_leaf({}))};
  const struct {
    std::vector<std::string> protocols;
    std::string codes;
  } cases[] = {{{"TLSv1.2"}, ""},
               {{"TLSv1.3"}, ""},
               {{"TLSv1.1", "TLSv1.2"}, "KG605 "},
               {{"TLSv1.1"}, "KG605 KG605 "},
               {{"tlsv1.2", "TLSv1.3"}, "KG605 "},
               {{}, "KG605 "}};
  for (const auto& one : cases) {
    options.protocols = one.protocols;
    EXPECT_EQ(codes_of(options), one.codes) << text_;
  }
}

TEST_F(CredentialsTest, judges_ciphers) {
  ServerOptions options;
  options.certificates = {folder_.write_pair("a", make_leaf({}))};
  for (const char* good : {"HIGH:!aNULL:!MD5", "ECDHE-ECDSA-AES128-GCM-SHA256"}) {
    options.ciphers = good;
    EXPECT_EQ(codes_of(options), "") << good;
  }
  for (const char* bad : {"NO-SUCH-CIPHER", "aNULL", "eNULL:@SECLEVEL=0"}) {
    options.ciphers = bad;
    EXPECT_EQ(codes_of(options), "KG606 ") << bad;
  }
}

TEST_F(CredentialsTest, a_client_reports_what_it_cannot_use) {
  const auto [certificate, key] = folder_.write_pair("a", make_leaf({}));
  const auto codes = [](const ClientOptions& options) {
    Diagnostics diagnostics;
    const auto made = ClientContext::build(options, {}, diagnostics);
    EXPECT_EQ(made == nullptr, diagnostics.has_errors());
    std::string out;
    for (const Diagnostic& one : diagnostics.all()) out += one.code + ' ';
    return out;
  };
  ClientOptions options = verifying();
  options.certificate = certificate;
  options.certificate_key = key;
  EXPECT_EQ(codes(options), "");
  options.certificate_key = "";
  EXPECT_EQ(codes(options), "KG607 ");
  options.certificate_key = folder_.path("none");
  options.trusted_certificate = folder_.path("none");
  EXPECT_EQ(codes(options), "KG601 KG601 ");
  options = verifying();
  options.trusted_certificate = folder_.write("empty", "");
  EXPECT_EQ(codes(options), "KG601 ");
}

}  // namespace
}  // namespace keepgate::tls

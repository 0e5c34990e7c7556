#include "tls/client_verification.h"

#include "tls/session_fixture_for_tests.h"

namespace keepgate::tls {
namespace {

class ClientVerificationTest : public TlsTest {
 protected:
  void ask(VerifyClient mode, const std::string& authorities = "root.crt") {
    ServerOptions options;
    options.certificates = {folder_.write_pair("server", make_leaf({}))};
    options.clients.mode = mode;
    if (!authorities.empty()) options.clients.authorities = folder_.path(authorities);
    contexts_.fallback = server_context(options);
  }
  Issued make_client(LeafOptions options = {}) const {
    options.usage = options.usage == "serverAuth" ? "clientAuth" : options.usage;
    return make_leaf(options);
  }
  // What the server knows of a client that shows this; with nothing shown, nullptr.
  std::shared_ptr<const crypto::PresentedCertificate> show(const Issued* certificate) {
    ClientOptions options = verifying();
    if (certificate)
      std::tie(options.certificate, options.certificate_key) = folder_.write_pair("client", *certificate);
    make_layers(options, "a.test");
    shake_hands();
    EXPECT_TRUE(both_ok()) << client_->failure() << server_->failure();
    const SessionFacts facts = session_facts(*server_);
    if (!facts.client) return nullptr;
    EXPECT_EQ(facts.client->asked_by, contexts_.fallback);
    return facts.client->certificate;
  }
};

TEST_F(ClientVerificationTest, a_client_that_somebody_vouches_for_is_verified) {
  ask(VerifyClient::on);
  const Issued client = make_client();
  const auto shown = show(&client);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->verified);
  EXPECT_EQ(shown->fault, "");
  EXPECT_EQ(shown->leaf.common_name, "leaf");
  EXPECT_EQ(shown->leaf.issuer, "CN=root");
}

TEST_F(ClientVerificationTest, a_client_may_show_nothing_and_is_nobody) {
  ask(VerifyClient::on);
  EXPECT_FALSE(show(nullptr));
}

TEST_F(ClientVerificationTest, nobody_is_asked_unless_configured) {
  ask(VerifyClient::off);
  const Issued client = make_client();
  EXPECT_FALSE(show(&client));
}

TEST_F(ClientVerificationTest, every_fault_is_told_and_verifies_nothing) {
  ask(VerifyClient::optional_no_ca);
  const Issued stranger_authority = make_authority("stranger");
  LeafOptions for_clients, expired, for_servers;
  for_clients.usage = expired.usage = "clientAuth";
  expired.not_before_s = -7200;
  expired.not_after_s = -3600;
  const Issued unknown = make_certificate(for_clients, &stranger_authority, false);
  const Issued late = make_leaf(expired);
  const Issued server_only = make_leaf(for_servers);
  const Issued unknown_and_late = make_certificate(expired, &stranger_authority, false);
  struct Case {
    const Issued* certificate;
    bool only_lacks_an_authority;
  };
  for (const auto& [certificate, lacks] :
       {Case{&unknown, true}, Case{&late, false}, Case{&server_only, false}, Case{&unknown_and_late, false}}) {
    const auto shown = show(certificate);
    ASSERT_TRUE(shown);
    EXPECT_FALSE(shown->verified);
    EXPECT_NE(shown->fault, "");
    EXPECT_EQ(shown->only_lacks_an_authority, lacks) << shown->fault;
  }
}

TEST_F(ClientVerificationTest, without_an_authority_nobody_is_verified) {
  ask(VerifyClient::optional_no_ca, "");
  const Issued client = make_client();
  const auto shown = show(&client);
  ASSERT_TRUE(shown);
  EXPECT_FALSE(shown->verified);
  EXPECT_TRUE(shown->only_lacks_an_authority);
}

TEST_F(ClientVerificationTest, files_that_cannot_be_used_are_complaints) {
  for (const std::string& text : {std::string(), std::string("no certificate")}) {
    for (const bool as_list : {false, true}) {
      ServerOptions options;
      options.certificates = {folder_.write_pair("server", make_leaf({}))};
      options.clients.mode = VerifyClient::on;
      options.clients.authorities = folder_.path("root.crt");
      (as_list ? options.clients.revocations : options.clients.authorities) = folder_.write("bad.pem", text);
      Diagnostics diagnostics;
      EXPECT_FALSE(ServerContext::build(options, {}, diagnostics));
      EXPECT_EQ(diagnostics.error_count(), 1U);
    }
  }
}

}  // namespace
}  // namespace keepgate::tls

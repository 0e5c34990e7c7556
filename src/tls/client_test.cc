#include <gtest/gtest.h>

#include "tls/session_fixture_for_tests.h"

namespace keepgate::tls {
namespace {

using net::Io;

class ClientTest : public TlsTest {
 protected:
  // Why the client did not connect; "" if it did.
  std::string refusal(const std::string& name) {
    connects(name);
    EXPECT_EQ(client_status_ == Io::ok, client_->failure().empty());
    return client_->failure();
  }
};

TEST_F(ClientTest, trusts_a_certificate_for_the_name) {
  contexts_.fallback = server_for("DNS:a.test");
  ASSERT_TRUE(connects("a.test")) << client_->failure() << server_->failure();
  EXPECT_EQ(session_facts(*client_).protocol, "TLSv1.3");
  EXPECT_EQ(session_facts(*client_).server_name, "a.test");
}

TEST_F(ClientTest, a_server_that_finds_its_client_unwilling_fails_too) {
  contexts_.fallback = server_for("DNS:b.test");
  EXPECT_FALSE(connects("a.test"));
  EXPECT_EQ(client_status_, Io::failed);
}

TEST_F(ClientTest, names_must_match) {
  const struct {
    const char* names;
    const char* wanted;
    bool good;
  } cases[] = {
      {"DNS:a.test", "A.TEST", true},
      {"DNS:a.test", "a.test.", true},
      {"DNS:a.test", "b.test", false},
      {"DNS:a.test", "x.a.test", false},
      {"DNS:*.a.test", "x.a.test", true},
      {"DNS:*.a.test", "a.test", false},
      {"DNS:*.a.test", "y.x.a.test", false},
      {"DNS:x*.a.test", "xy.a.test", false},
      {"IP:127.0.0.1", "127.0.0.1", true},
      {"IP:127.0.0.1", "127.0.0.2", false},
      {"DNS:127.0.0.1", "127.0.0.1", false},
      {"IP:127.0.0.1", "a.test", false},
      {"IP:::1", "::1", true},
      {"IP:::1", "[::1]", true},
      {"IP:::1", "::2", false},
  };
  for (const auto& one : cases) {
    contexts_.fallback = server_for(one.names);
    EXPECT_EQ(refusal(one.wanted).empty(), one.good)
        << one.names << " for " << one.wanted << ": " << client_->failure();
  }
}

TEST_F(ClientTest, the_reason_is_readable) {
  contexts_.fallback = server_for("DNS:a.test");
  EXPECT_EQ(refusal("b.test"), "certificate verify failed: hostname mismatch");
}

TEST_F(ClientTest, a_common_name_identifies_nobody) {
  LeafOptions options;
  options.common_name = "a.test";
  options.names = "";
  contexts_.fallback = server_for(make_leaf(options));
  EXPECT_EQ(refusal("a.test"), "certificate verify failed: hostname mismatch");
}

TEST_F(ClientTest, names_that_could_match_too_much_are_refused) {
  contexts_.fallback = server_for("DNS:a.test,DNS:*.a.test");
  for (const char* name : {"", ".", ".a.test", "*.a.test", "a.test\n", "a test", "a.test:443"}) {
    EXPECT_NE(refusal(name).find("is not a name"), std::string::npos) << name;
  }
}

TEST_F(ClientTest, refuses_an_unknown_authority) {
  const Issued stranger = make_authority("root");
  contexts_.fallback = server_for(make_certificate({}, &stranger, false));
  EXPECT_NE(refusal("a.test"), "");
}

TEST_F(ClientTest, refuses_a_self_signed_certificate) {
  contexts_.fallback = server_for(make_certificate({}, nullptr, false));
  EXPECT_EQ(refusal("a.test"), "certificate verify failed: self-signed certificate");
}

TEST_F(ClientTest, refuses_an_expired_certificate) {
  LeafOptions options;
  options.not_after_s = -60;
  contexts_.fallback = server_for(make_leaf(options));
  EXPECT_EQ(refusal("a.test"), "certificate verify failed: certificate has expired");
}

TEST_F(ClientTest, refuses_a_certificate_that_is_not_valid_yet) {
  LeafOptions options;
  options.not_before_s = 1800;
  contexts_.fallback = server_for(make_leaf(options));
  EXPECT_EQ(refusal("a.test"), "certificate verify failed: certificate is not yet valid");
}

TEST_F(ClientTest, refuses_a_certificate_for_another_purpose) {
  LeafOptions options;
  options.usage = "clientAuth";
  contexts_.fallback = server_for(make_leaf(options));
  EXPECT_EQ(refusal("a.test"), "certificate verify failed: unsuitable certificate purpose");
}

TEST_F(ClientTest, refuses_a_leaf_that_plays_authority) {
  const Issued leaf = make_leaf({});
  contexts_.fallback = server_for(make_certificate({}, &leaf, false));
  EXPECT_NE(refusal("a.test"), "");
}

class ChainTest : public ClientTest {
 protected:
  // A server behind `count` intermediate authorities, which it sends.
  void serve_behind(int count) {
    Issued issuer = make_authority("intermediate", &authority_);
    std::string chain;
    for (int i = 0; i < count; ++i) {
      if (i > 0) issuer = make_authority("intermediate " + std::to_string(i), &issuer);
      chain.insert(0, pem_of(issuer));
    }
    const Issued leaf = make_certificate({}, count > 0 ? &issuer : &authority_, false);
    ServerOptions options;
    options.certificates = {{folder_.write("chain.crt", pem_of(leaf) + chain), folder_.write_key("chain.key", leaf)}};
    contexts_.fallback = server_context(options);
  }
  std::string pem_of(const Issued& issued) {
    std::ifstream file(folder_.write_certificate("one.crt", issued));
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(ChainTest, a_chain_as_long_as_the_depth_is_trusted) {
  serve_behind(1);
  EXPECT_EQ(refusal("a.test"), "");
}

TEST_F(ChainTest, a_longer_chain_is_refused) {
  serve_behind(2);
  EXPECT_EQ(refusal("a.test"), "certificate verify failed: certificate chain too long");
  ClientOptions deeper = verifying();
  deeper.verify_depth = 2;
  make_layers(deeper, "a.test");
  shake_hands();
  EXPECT_TRUE(both_ok()) << client_->failure();
}

TEST_F(ClientTest, a_trusted_intermediate_alone_is_no_anchor) {
  const Issued intermediate = make_authority("intermediate", &authority_);
  contexts_.fallback = server_for(make_certificate({}, &intermediate, false));
  ClientOptions options = verifying();
  options.trusted_certificate = folder_.write_certificate("intermediate.crt", intermediate);
  make_layers(options, "a.test");
  shake_hands();
  EXPECT_EQ(client_status_, Io::failed);
}

TEST_F(ClientTest, without_verification_any_certificate_will_do) {
  contexts_.fallback = server_for(make_certificate({}, nullptr, false));
  make_layers({}, "whatever it is called");
  shake_hands();
  EXPECT_TRUE(both_ok());
  EXPECT_EQ(contexts_.last_name, "");
}

TEST_F(ClientTest, sends_its_name_only_when_asked_and_never_an_address) {
  contexts_.fallback = server_for("DNS:a.test,IP:127.0.0.1");
  ClientOptions options = verifying();
  options.send_server_name = false;
  make_layers(options, "a.test");
  shake_hands();
  EXPECT_TRUE(both_ok());
  EXPECT_EQ(contexts_.last_name, "");
  ASSERT_TRUE(connects("127.0.0.1"));
  EXPECT_EQ(contexts_.last_name, "");
  ASSERT_TRUE(connects("A.test"));
  EXPECT_EQ(contexts_.last_name, "a.test");
}

// nginx's CVE-2026-1642: what comes before the handshake must never count as an answer.
TEST_F(ClientTest, plaintext_before_the_handshake_is_refused) {
  make_layers({}, "a.test");
  const std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  ASSERT_EQ(::send(sockets_[0], answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
  EXPECT_EQ(client_->handshake().status, Io::failed);
  char bytes[64];
  EXPECT_EQ(client_->read(bytes, sizeof bytes).status, Io::failed);
  EXPECT_FALSE(client_->failure().empty());
}

TEST_F(ClientTest, nothing_is_sent_before_the_server_is_verified) {
  contexts_.fallback = server_for("DNS:b.test");
  make_layers(verifying(), "a.test");
  EXPECT_EQ(write_text(*client_, "secret").status, Io::failed);
  shake_hands();
  EXPECT_EQ(write_text(*client_, "secret").status, Io::failed);
  EXPECT_EQ(client_->handshake().status, Io::failed);
}

}  // namespace
}  // namespace keepgate::tls

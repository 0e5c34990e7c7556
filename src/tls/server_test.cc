#include <gtest/gtest.h>

#include <csignal>

#include "tls/session_fixture_for_tests.h"

namespace keepgate::tls {
namespace {

using net::Io;

// OpenSSL as the client, for what our own does not do.
class ServerTest : public TlsTest {
 protected:
  ServerTest() : raw_context_(SSL_CTX_new(TLS_client_method())) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's socket BIO raises it.
    SSL_CTX_set_session_cache_mode(raw_context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(raw_context_.get(), [](SSL* session, SSL_SESSION* made) {
      auto& kept = *static_cast<SessionPtr*>(SSL_get_app_data(session));
      kept.reset(made);
      return 1;
    });
  }
  using SessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;

  // Connects; the session's ticket goes to `ticket_`. `resume` may be null.
  bool raw_connects(const char* name, SSL_SESSION* resume = nullptr) {
    // OpenSSL calls the session of a connection that ended without goodbye not resumable.
    if (raw_) SSL_set_shutdown(raw_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    sockets_.renew();
    server_ = make_server_layer(sockets_[0], contexts_);
    raw_.reset(SSL_new(raw_context_.get()));
    SSL_set_app_data(raw_.get(), &ticket_);
    SSL_set_fd(raw_.get(), sockets_[1]);
    if (name) SSL_ctrl(raw_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name));
    if (resume) SSL_set_session(raw_.get(), resume);
    bool connected = false;
    server_status_ = Io::want_read;
    for (int i = 0; i < 20; ++i) {
      ERR_clear_error();
      connected = SSL_connect(raw_.get()) == 1;
      if (server_status_ == Io::want_read) server_status_ = server_->handshake().status;
      if (server_status_ == Io::failed || (connected && server_status_ == Io::ok)) break;
    }
    if (!connected || server_status_ != Io::ok) return false;
    char byte = 0;  // Takes the tickets of TLS 1.3.
    SSL_read(raw_.get(), &byte, 1);
    return true;
  }
  bool resumed() const {
    EXPECT_EQ(session_facts(*server_).resumed, SSL_session_reused(raw_.get()) == 1);
    return session_facts(*server_).resumed;
  }

  SslContextPtr raw_context_;
  SessionPtr ticket_;
  SslPtr raw_;
};

TEST_F(ServerTest, the_server_name_chooses_the_context) {
  contexts_.by_name["a.test"] = server_for("DNS:a.test");
  contexts_.by_name["b.test"] = server_for("DNS:b.test");
  ASSERT_TRUE(connects("a.test"));
  ASSERT_TRUE(connects("B.test"));
  EXPECT_EQ(session_facts(*server_).server_name, "b.test");
  EXPECT_EQ(contexts_.asked, 2);
}

TEST_F(ServerTest, an_unknown_name_is_refused) {
  contexts_.by_name["a.test"] = server_for("DNS:a.test");
  EXPECT_FALSE(connects("c.test"));
  EXPECT_EQ(server_->failure(), "no server answers for the name \"c.test\"");
  EXPECT_EQ(client_->failure(), "tlsv1 unrecognized name");
}

TEST_F(ServerTest, no_name_is_a_question_for_the_source) {
  contexts_.by_name[""] = server_for("DNS:a.test");
  EXPECT_TRUE(raw_connects(nullptr));
  EXPECT_EQ(session_facts(*server_).server_name, "");
  contexts_.by_name.clear();
  EXPECT_FALSE(raw_connects(nullptr));
}

TEST_F(ServerTest, a_final_dot_is_no_other_name) {
  contexts_.by_name["a.test"] = server_for("DNS:a.test");
  EXPECT_TRUE(raw_connects("A.Test."));
}

TEST_F(ServerTest, a_name_with_strange_bytes_is_refused) {
  contexts_.fallback = server_for("DNS:a.test");
  EXPECT_TRUE(raw_connects("a_b.test"));
  for (const char* name : {"a b", "a/b", "a\nb", "a\x7f", "\xc3\xa9.test"}) {
    EXPECT_FALSE(raw_connects(name)) << name;
    EXPECT_EQ(server_->failure(), "the client's server name is malformed");
  }
}

TEST_F(ServerTest, tls_1_1_is_refused_and_1_2_is_not) {
  contexts_.fallback = server_for("DNS:a.test");
  SSL_CTX_set_cipher_list(raw_context_.get(), "ALL:@SECLEVEL=0");
  SSL_CTX_set_max_proto_version(raw_context_.get(), TLS1_1_VERSION);
  EXPECT_FALSE(raw_connects("a.test"));
  EXPECT_EQ(server_->failure(), "unsupported protocol");
  SSL_CTX_set_max_proto_version(raw_context_.get(), TLS1_2_VERSION);
  EXPECT_TRUE(raw_connects("a.test")) << server_->failure();
  EXPECT_EQ(session_facts(*server_).protocol, "TLSv1.2");
}

TEST_F(ServerTest, each_context_has_its_own_protocols_and_ciphers) {
  ServerOptions options;
  options.certificates = {folder_.write_pair("a", make_leaf({}))};
  options.protocols = {"TLSv1.3"};
  contexts_.by_name["new.test"] = server_context(options);
  options.protocols = {"TLSv1.2"};
  options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  contexts_.by_name["old.test"] = server_context(options);
  ASSERT_TRUE(raw_connects("old.test"));
  EXPECT_EQ(session_facts(*server_).protocol, "TLSv1.2");
  EXPECT_EQ(session_facts(*server_).cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
  ASSERT_TRUE(raw_connects("new.test"));
  EXPECT_EQ(session_facts(*server_).protocol, "TLSv1.3");
  SSL_CTX_set_max_proto_version(raw_context_.get(), TLS1_2_VERSION);
  EXPECT_FALSE(raw_connects("new.test"));
  SSL_CTX_set_cipher_list(raw_context_.get(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_FALSE(raw_connects("old.test"));
}

TEST_F(ServerTest, the_server_may_prefer_its_own_ciphers) {
  ServerOptions options;
  options.certificates = {folder_.write_pair("a", make_leaf({}))};
  options.protocols = {"TLSv1.2"};
  options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  contexts_.fallback = server_context(options);
  SSL_CTX_set_cipher_list(raw_context_.get(), "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384");
  ASSERT_TRUE(raw_connects("a.test"));
  EXPECT_EQ(session_facts(*server_).cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
  options.prefer_server_ciphers = true;
  contexts_.fallback = server_context(options);
  ASSERT_TRUE(raw_connects("a.test"));
  EXPECT_EQ(session_facts(*server_).cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_F(ServerTest, speaks_http_1_1_and_refuses_who_speaks_only_something_else) {
  contexts_.fallback = server_for("DNS:a.test");
  const auto offer = [&](std::string_view protocols) {
    SSL_CTX_set_alpn_protos(raw_context_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
  };
  offer("\x02h2\x08http/1.1");
  ASSERT_TRUE(raw_connects("a.test"));
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(raw_.get(), &chosen, &length);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(chosen), length), "http/1.1");
  offer("\x02h2");
  EXPECT_FALSE(raw_connects("a.test"));
}

class ResumptionTest : public ServerTest, public testing::WithParamInterface<int> {
 protected:
  ResumptionTest() { SSL_CTX_set_max_proto_version(raw_context_.get(), GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Versions, ResumptionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(ResumptionTest, a_session_resumes_in_its_own_context) {
  contexts_.by_name["a.test"] = server_for("DNS:a.test");
  ASSERT_TRUE(raw_connects("a.test"));
  EXPECT_FALSE(resumed());
  ASSERT_TRUE(ticket_);
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(ticket_.get()), 300U);
  const SessionPtr mine = std::move(ticket_);
  ASSERT_TRUE(raw_connects("a.test", mine.get()));
  EXPECT_TRUE(resumed());
}

// The class of CVE-2025-23419: a session of one virtual server must not open another.
TEST_P(ResumptionTest, a_session_does_not_cross_into_another_context) {
  const auto same_files = [&] {
    ServerOptions options;
    options.certificates = {{folder_.path("same.crt"), folder_.path("same.key")}};
    return server_context(options);
  };
  folder_.write_pair("same", make_leaf({}));
  contexts_.by_name["a.test"] = same_files();
  contexts_.by_name["b.test"] = same_files();
  contexts_.by_name[""] = same_files();
  ASSERT_TRUE(raw_connects("a.test"));
  const SessionPtr of_a = std::move(ticket_);
  ASSERT_TRUE(of_a);
  ASSERT_TRUE(raw_connects("b.test", of_a.get())) << server_->failure();
  EXPECT_FALSE(resumed());
  ASSERT_TRUE(raw_connects(nullptr, of_a.get())) << server_->failure();
  EXPECT_FALSE(resumed());
}

TEST_P(ResumptionTest, a_reloaded_context_makes_new_sessions) {
  contexts_.by_name["a.test"] = server_for("DNS:a.test");
  ASSERT_TRUE(raw_connects("a.test"));
  const SessionPtr old = std::move(ticket_);
  contexts_.by_name["a.test"] = server_for("DNS:a.test");
  ASSERT_TRUE(raw_connects("a.test", old.get()));
  EXPECT_FALSE(resumed());
}

TEST_P(ResumptionTest, a_timeout_of_zero_gives_no_tickets) {
  ServerOptions options;
  options.certificates = {folder_.write_pair("a", make_leaf({}))};
  options.session_timeout_s = 0;
  contexts_.fallback = server_context(options);
  ASSERT_TRUE(raw_connects("a.test"));
  const SessionPtr session = std::move(ticket_);
  ASSERT_TRUE(raw_connects("a.test", session.get()));
  EXPECT_FALSE(resumed());
}

TEST_F(ServerTest, renegotiation_is_refused) {
  contexts_.fallback = server_for("DNS:a.test");
  SSL_CTX_set_max_proto_version(raw_context_.get(), TLS1_2_VERSION);
  ASSERT_TRUE(raw_connects("a.test"));
  SSL_renegotiate(raw_.get());
  EXPECT_NE(SSL_do_handshake(raw_.get()), 1);
  char bytes[16];
  EXPECT_NE(server_->read(bytes, sizeof bytes).status, Io::ok);
  EXPECT_NE(SSL_do_handshake(raw_.get()), 1);
}

TEST_F(ServerTest, plain_http_is_no_handshake) {
  contexts_.fallback = server_for("DNS:a.test");
  server_ = make_server_layer(sockets_[0], contexts_);
  ASSERT_EQ(::send(sockets_[1], "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
  EXPECT_EQ(server_->handshake().status, Io::failed);
  EXPECT_EQ(server_->failure(), "http request");
  EXPECT_EQ(contexts_.asked, 0);
}

TEST_F(ServerTest, a_hello_in_single_bytes_is_understood) {
  contexts_.fallback = server_for("DNS:a.test");
  SocketPair behind;
  client_ = make_client_layer(behind[1], client_context(verifying()), "a.test");
  server_ = make_server_layer(sockets_[0], contexts_);
  ASSERT_EQ(client_->handshake().status, Io::want_read);
  char hello[4096];
  const ssize_t length = ::recv(behind[0], hello, sizeof hello, 0);
  ASSERT_GT(length, 0);
  for (ssize_t i = 0; i < length; ++i) {
    ASSERT_EQ(::send(sockets_[1], hello + i, 1, MSG_NOSIGNAL), 1);
    ASSERT_EQ(server_->handshake().status, Io::want_read);
    EXPECT_FALSE(server_->has_pending());  // A part of a record is nothing to read: waiting must not spin.
  }
  EXPECT_EQ(contexts_.asked, 1);
}

}  // namespace
}  // namespace keepgate::tls

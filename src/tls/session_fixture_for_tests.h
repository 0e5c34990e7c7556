// Two ends of a TLS connection over a socket pair, pumped in turns without a loop.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tls/certificates_for_tests.h"
#include "tls/context.h"

namespace keepgate::tls {

class SocketPair {
 public:
  SocketPair() { renew(); }
  ~SocketPair() {
    close(0);
    close(1);
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  int operator[](int end) const { return ends_[end]; }
  void renew() {
    close(0);
    close(1);
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_), 0);
  }
  void close(int end) {
    if (ends_[end] >= 0) ::close(std::exchange(ends_[end], -1));
  }
  int release(int end) { return std::exchange(ends_[end], -1); }

 private:
  int ends_[2] = {-1, -1};
};

class Contexts final : public ContextSource {
 public:
  std::shared_ptr<const ServerContext> context_for(std::string_view server_name) const override {
    ++asked;
    last_name = server_name;
    const auto found = by_name.find(std::string(server_name));
    return found == by_name.end() ? fallback : found->second;
  }
  std::map<std::string, std::shared_ptr<const ServerContext>> by_name;
  std::shared_ptr<const ServerContext> fallback;
  mutable int asked = 0;
  mutable std::string last_name;
};

class TlsTest : public testing::Test {
 protected:
  TlsTest() : authority_(make_authority("root")) { folder_.write_certificate("root.crt", authority_); }

  Issued make_leaf(const LeafOptions& options) const { return make_certificate(options, &authority_, false); }

  std::shared_ptr<const ServerContext> server_context(const ServerOptions& options) {
    Diagnostics diagnostics;
    std::shared_ptr<const ServerContext> made = ServerContext::build(options, {}, diagnostics);
    EXPECT_TRUE(made) << diagnostics.render_text();
    return made;
  }
  std::shared_ptr<const ServerContext> server_for(const Issued& leaf) {
    ServerOptions options;
    options.certificates = {folder_.write_pair("leaf" + std::to_string(++leaves_), leaf)};
    return server_context(options);
  }
  std::shared_ptr<const ServerContext> server_for(const std::string& names) {
    LeafOptions options;
    options.names = names;
    return server_for(make_leaf(options));
  }

  ClientOptions verifying() const {
    ClientOptions options;
    options.verify = true;
    options.trusted_certificate = folder_.path("root.crt");
    options.send_server_name = true;
    return options;
  }
  std::shared_ptr<const ClientContext> client_context(const ClientOptions& options) {
    Diagnostics diagnostics;
    std::shared_ptr<const ClientContext> made = ClientContext::build(options, {}, diagnostics);
    EXPECT_TRUE(made) << diagnostics.render_text();
    return made;
  }

  // Both ends over fresh `sockets_`: 0 is the server, 1 the client.
  void make_layers(const ClientOptions& options, const std::string& name) {
    sockets_.renew();
    server_ = make_server_layer(sockets_[0], contexts_);
    client_ = make_client_layer(sockets_[1], client_context(options), name);
  }
  // Pumps until both are finished one way or the other.
  void shake_hands() {
    client_status_ = server_status_ = net::Io::want_read;
    const auto waits = [](net::Io status) { return status == net::Io::want_read || status == net::Io::want_write; };
    for (int i = 0; i < 20 && (waits(client_status_) || waits(server_status_)); ++i) {
      if (waits(client_status_)) client_status_ = client_->handshake().status;
      if (waits(server_status_)) server_status_ = server_->handshake().status;
      if (client_status_ == net::Io::failed && waits(server_status_)) ::shutdown(sockets_[1], SHUT_WR);
      if (server_status_ == net::Io::failed && waits(client_status_)) ::shutdown(sockets_[0], SHUT_WR);
    }
  }
  bool both_ok() const { return client_status_ == net::Io::ok && server_status_ == net::Io::ok; }
  // Connects a client that trusts the test's authority and wants `name`.
  bool connects(const std::string& name) {
    make_layers(verifying(), name);
    shake_hands();
    return both_ok();
  }

  PemFolder folder_;
  Issued authority_;
  Contexts contexts_;
  SocketPair sockets_;
  std::unique_ptr<net::StreamLayer> server_, client_;
  net::Io server_status_ = net::Io::failed, client_status_ = net::Io::failed;
  int leaves_ = 0;
};

inline net::IoResult write_text(net::StreamLayer& layer, std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return layer.write(&piece, 1);
}

}  // namespace keepgate::tls

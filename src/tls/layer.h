// One TLS session over one descriptor: what server and client have in common. Private to this room.
//
// Thread rule: the stream's loop. Lifetime: owned by the stream, which owns the descriptor.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "net/stream.h"
#include "tls/context.h"
#include "tls/handles.h"
#include "tls/socket_bio.h"

namespace keepgate::tls {

// Modes, options and bounds that hold for every context.
void apply_common_settings(SSL_CTX* context);

class Layer : public net::StreamLayer {
 public:
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  net::IoResult handshake() final;
  net::IoResult read(char* out, std::size_t bytes_max) final;
  net::IoResult write(const iovec* pieces, int count) final;
  bool has_pending() const final;
  bool drained() const final { return socket_.drained && !has_pending(); }
  void shutdown() final;
  std::string failure() const final { return failure_; }
  virtual SessionFacts facts() const;

 protected:
  Layer(int descriptor, SSL_CTX* context);
  ~Layer() override = default;

  SSL* ssl() const { return ssl_.get(); }
  // The handshake fails, or is failing, for this reason.
  void refuse(std::string why);

  std::string server_name_;  // SNI received or sent.

 private:
  enum class State : std::uint8_t { failed = 0, handshaking, open, closed };

  void begin_call();
  net::IoResult explain(int result);
  net::IoResult fail();
  net::IoResult not_open() const;
  std::string describe_failure() const;

  Socket socket_;  // Outlives ssl_, whose BIO points at it.
  SslPtr ssl_;
  State state_ = State::handshaking;
  // OpenSSL has processed all that it can: what it still holds, if anything, is part of a record.
  bool starved_ = true;
  bool said_goodbye_ = false;
  std::string failure_;
};

}  // namespace keepgate::tls

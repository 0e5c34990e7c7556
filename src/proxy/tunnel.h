// Tunnel: after 101 the two connections are one pipe: bytes go both ways until both sides have ended or nothing moves.
//
// An idle tunnel holds no buffer. The end of one side is passed on as such; what comes from the other still arrives.
// Thread rule: its worker's. Lifetime: run() returns when neither direction runs any more.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string_view>

#include "net/stream.h"
#include "net/task.h"
#include "pipeline/exchange.h"

namespace keepgate::proxy {

class Tunnel {
 public:
  struct Timeouts {
    std::int64_t idle_ms = 0;  // proxy_read_timeout: how long no byte may move in either direction.
    std::int64_t send_ms = 0;  // proxy_send_timeout: how long one side may take nothing.
  };
  Tunnel(pipeline::Exchange& exchange, net::Stream& upstream, const Timeouts& timeouts)
      : x_(exchange), upstream_(upstream), timeouts_(timeouts) {}
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // What has arrived already from either side goes first.
  net::Task<void> run(std::string_view from_upstream, std::string_view from_client);

 private:
  static net::Detached start(Tunnel& tunnel, net::Stream& from, net::Stream& to, std::string_view first, bool down);
  net::Task<bool> copy(net::Stream& from, net::Stream& to, std::string_view first, bool down);
  net::Task<bool> write(net::Stream& to, std::string_view bytes, bool down);

  pipeline::Exchange& x_;
  net::Stream& upstream_;
  Timeouts timeouts_;
  std::int64_t last_moved_ms_ = 0;
  unsigned running_ = 0;
  std::coroutine_handle<> joiner_;
};

}  // namespace keepgate::proxy

// BodyPump: sends the rest of a request body to the upstream while the answer may already be coming.
//
// Runs beside the coroutine that reads the answer; that one must join() before it lets go of the streams. Thread rule:
// its worker's.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "net/stream.h"
#include "pipeline/exchange.h"

namespace keepgate::proxy {

class BodyPump {
 public:
  BodyPump(pipeline::Exchange& exchange, net::Stream& upstream, std::int64_t send_timeout_ms)
      : x_(exchange), upstream_(upstream), send_timeout_ms_(send_timeout_ms) {}
  BodyPump(const BodyPump&) = delete;
  BodyPump& operator=(const BodyPump&) = delete;
  ~BodyPump() { KG_ASSERT(!running_); }

  void start() {
    running_ = true;
    run(*this);
  }
  bool running() const { return running_; }
  // All of the body was handed to the upstream's connection.
  bool complete() const { return complete_; }
  // The client's fault: timeout, cut off, malformed, too large. The upstream's stream was cancelled to say so.
  const std::optional<Error>& client_error() const { return client_error_; }
  std::int64_t last_progress_ms() const { return last_progress_ms_; }

  // Ends the pump if it still runs and waits until it has ended.
  net::Task<void> stop();

 private:
  static net::Detached run(BodyPump& pump);
  net::Task<void> pump_all();

  pipeline::Exchange& x_;
  net::Stream& upstream_;
  std::int64_t send_timeout_ms_;
  std::int64_t last_progress_ms_ = 0;
  bool running_ = false;
  bool stopping_ = false;
  bool complete_ = false;
  std::optional<Error> client_error_;
  std::coroutine_handle<> joiner_;
};

}  // namespace keepgate::proxy

// BodyPump: sends the rest of a request to the upstream while the answer may already be coming.
//
// Runs beside the coroutine that reads the answer; that one must stop() it before it lets go of the streams. The body
// comes from the client as it arrives, or from where it was stored. Thread rule: its worker's.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "net/stream.h"
#include "pipeline/exchange.h"

namespace keepgate::proxy {

class BodyPump {
 public:
  // What a first write left over. `body` lies in the exchange, before what the pump takes from there.
  struct Unsent {
    std::string head;
    std::string_view body;
  };

  // With a stored body (exchange.stored_body): from `offset` on, behind `unsent`.
  BodyPump(pipeline::Exchange& exchange, net::Stream& upstream, std::int64_t send_timeout_ms, Unsent unsent,
           std::uint64_t offset)
      : x_(exchange),
        upstream_(upstream),
        send_timeout_ms_(send_timeout_ms),
        unsent_(std::move(unsent)),
        offset_(offset) {}
  BodyPump(const BodyPump&) = delete;
  BodyPump& operator=(const BodyPump&) = delete;
  ~BodyPump() { KG_ASSERT(!running_); }

  void start() {
    running_ = true;
    run(*this);
  }
  bool running() const { return running_; }
  // All of the request was handed to the upstream's connection.
  bool complete() const { return complete_; }
  // Not the upstream's fault: the client's (timeout, cut off, malformed, too large), or that of a file of ours. The
  // upstream's stream was cancelled to say so.
  const std::optional<Error>& source_error() const { return source_error_; }
  // The upstream took nothing for proxy_send_timeout. Whoever waits for its answer was woken.
  bool stalled() const { return stalled_; }
  // When writing failed; the answer may be on its way all the same, but not for long: see half_closed_grace_ms. Whoever
  // waits for it was woken, and cut_off_is_news() is true once.
  std::optional<std::int64_t> cut_off_ms() const { return cut_off_ms_; }
  bool cut_off_is_news() { return cut_off_ms_ && !std::exchange(cut_off_told_, true); }
  std::int64_t last_progress_ms() const { return last_progress_ms_; }

  // Ends the pump if it still runs and waits until it has ended. `answering`: somebody else is writing to the client
  // and goes on with it.
  net::Task<void> stop(bool answering);

 private:
  static net::Detached run(BodyPump& pump);
  net::Task<bool> pump_unsent();
  net::Task<void> pump_from_client();
  net::Task<void> pump_from_store();
  net::Task<bool> write(iovec* pieces, int count);
  void give_up(Error error);

  pipeline::Exchange& x_;
  net::Stream& upstream_;
  std::int64_t send_timeout_ms_;
  Unsent unsent_;
  std::uint64_t offset_;
  std::int64_t last_progress_ms_ = 0;
  bool running_ = false;
  bool stopping_ = false;
  bool complete_ = false;
  bool stalled_ = false;
  bool cut_off_told_ = false;
  std::optional<std::int64_t> cut_off_ms_;
  std::optional<Error> source_error_;
  std::coroutine_handle<> joiner_;
};

}  // namespace keepgate::proxy

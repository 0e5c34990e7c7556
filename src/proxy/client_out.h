// ClientOut: the bytes of one answer on their way to the client, in order.
//
// They are written at once while the client takes them. What it does not take waits in a Backlog, and a writer of its
// own sends it: with buffering the caller goes on until the backlog is full, so that a slow client does not keep an
// upstream busy; without, it waits until the backlog is empty. limit_rate paces the writer. Thread rule: its worker's.
// Lifetime: flush() or stop() before it is destroyed.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string_view>

#include "net/stream.h"
#include "net/task.h"
#include "pipeline/backlog.h"
#include "pipeline/exchange.h"

namespace keepgate::proxy {

struct ClientOutOptions {
  bool buffering = true;
  std::size_t memory_bytes_max = 32 * 1024;  // proxy_buffers
  std::uint64_t file_bytes_max = 0;          // proxy_max_temp_file_size; 0: no file.
  const std::string& folder;                 // proxy_temp_path
  std::uint64_t rate = 0;                    // limit_rate: bytes per second; 0: as fast as the client reads.
  std::uint64_t rate_after = 0;              // limit_rate_after
};

class ClientOut {
 public:
  // `upstream`: whoever waits for it to be readable is woken when the client fails. nullptr: nobody.
  ClientOut(pipeline::Exchange& exchange, const ClientOutOptions& options, net::Stream* upstream);
  ClientOut(const ClientOut&) = delete;
  ClientOut& operator=(const ClientOut&) = delete;
  ~ClientOut() { KG_ASSERT(!running_); }

  // What became of bytes that were handed over. `gone`: the client takes no more, because it left or is too slow.
  enum class Sent : std::uint8_t { gone = 0, done, waits };

  // Hands over three pieces in this order; costs no wait. After `waits`, wait_for_room() before the next call.
  Sent send(std::string_view lead, std::string_view body, std::string_view tail);
  // False: the client takes no more.
  net::Task<bool> wait_for_room() { return wait_until_below(!options_.buffering); }
  // Waits until all of it is written. False as above.
  net::Task<bool> flush() { return wait_until_below(true); }
  bool idle() const { return !running_; }  // Nothing waits.
  // Ends the writer; what waits is dropped.
  net::Task<void> stop();

  bool failed() const { return failed_; }
  void upstream_is_over() { upstream_ = nullptr; }

 private:
  static net::Detached run(ClientOut& out);
  net::Task<void> drain();
  net::Task<bool> wait_until_below(bool empty);
  bool pause_needed(std::uint64_t& allowed, std::int64_t& until_ms) const;
  void fail();
  void wake();

  pipeline::Exchange& x_;
  ClientOutOptions options_;
  net::Stream* upstream_;
  pipeline::Backlog backlog_;
  std::int64_t started_ms_;
  bool failed_ = false;
  bool running_ = false;
  bool stopping_ = false;
  bool wants_empty_ = false;         // What the caller in waiting_ waits for.
  std::coroutine_handle<> waiting_;  // The caller, while it waits for room.
  net::Waiter* pause_ = nullptr;     // The writer's, while limit_rate makes it wait.
};

}  // namespace keepgate::proxy

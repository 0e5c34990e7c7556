// The clients: keep-alive connections to the proxy that send one prepared request after another.
//
// Saturated: each connection sends again as soon as it has its answer. With a rate: requests fall due at fixed times
// whatever the answers do, and a latency counts from the time a request was due, so that a stall is not hidden.
// Thread rule: one thread. Lifetime: borrows poller and buffer.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "histogram.h"
#include "wire.h"

namespace keepgate::bench {

struct ClientOptions {
  std::uint16_t port = 0;
  std::size_t connections = 64;
  std::uint64_t rate = 0;          // Requests per second over all connections; 0: saturated.
  std::uint64_t requests_max = 0;  // Stop each connection after so many and keep it open; 0: no end.
  std::string request;             // Head and body as they go over the wire.
};

class Clients {
 public:
  Clients(Poller& poller, ReadBuffer& buffer, ClientOptions options);
  ~Clients();

  void open(std::size_t count);         // Opens so many more connections.
  void send_due(std::uint64_t now_ns);  // With a rate: call once per turn of the loop.
  std::uint64_t time_to_next_ns(std::uint64_t now_ns) const;
  void begin_window();  // Forgets what was counted before.

  std::size_t opened() const { return clients_.size(); }
  std::uint64_t completed() const { return completed_; }
  std::uint64_t error_count() const { return error_count_; }
  int last_bad_status() const { return last_bad_status_; }
  const Histogram& latencies() const { return latencies_; }

 private:
  class Client;
  void on_answered(Client& client, std::uint64_t due_ns);
  void on_failed(int status);

  Poller& poller_;
  ReadBuffer& buffer_;
  ClientOptions options_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Client*> idle_;
  std::deque<std::uint64_t> waiting_;  // Due times that found no idle connection.
  std::uint64_t next_due_ns_ = 0;
  std::uint64_t interval_ns_ = 0;
  Histogram latencies_;
  std::uint64_t completed_ = 0;
  std::uint64_t error_count_ = 0;
  int last_bad_status_ = 0;
};

}  // namespace keepgate::bench

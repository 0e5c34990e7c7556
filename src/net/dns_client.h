// DnsClient: asks name servers over UDP, and over TCP what did not fit. One socket, and so one source port, a question.
//
// Thread rule: its loop's. Failures are outcomes. Bounds: 64 KiB an answer; a server that does not answer is given
// attempt_ms before the next one is asked; the deadline ends it all. Cancelling the loop's waits ends it at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/dns_message.h"
#include "net/loop.h"
#include "net/task.h"

namespace keepgate::net {

// What the resolver asks: the network, or a table in a test.
class DnsTransport {
 public:
  virtual ~DnsTransport() = default;
  // Outcome found, no_such_name or no_records is a server's word; anything else means that none could be had.
  virtual Task<DnsAnswer> ask(std::vector<Address> servers, std::string name, DnsType type,
                              std::int64_t deadline_ms) = 0;
};

class DnsClient final : public DnsTransport {
 public:
  static constexpr std::int64_t attempt_ms = 2'000;
  static constexpr unsigned errors_per_server_max = 2;

  static constexpr unsigned datagrams_max = 64;  // That answer something else, before a server is given up.

  explicit DnsClient(Loop& loop) : loop_(loop) {}
  void stop() { stopped_ = true; }  // No server is asked any more.
  Task<DnsAnswer> ask(std::vector<Address> servers, std::string name, DnsType type, std::int64_t deadline_ms) override;

 private:
  struct Question;
  Task<DnsAnswer> ask_by_udp(const Question& question);
  Task<DnsAnswer> ask_by_tcp(const Question& question);

  Loop& loop_;
  std::size_t turn_ = 0;  // Servers take turns at being asked first.
  bool stopped_ = false;
};

}  // namespace keepgate::net

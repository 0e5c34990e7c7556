// Mirrors: copies of requests, sent to other locations of ours (mirror); what they answer is nobody's business.
//
// A copy goes out when the request has its answer: it never delays one, and needs no second reading of a body. It is
// dropped, and now and then the log says so, where there are too many under way, where its body is larger than
// body_bytes_max, or was not kept (proxy_request_buffering off). Thread rule: its worker's. Bounds: at_a_time_max
// copies and bytes_max of their bodies on a worker; the timeouts of their proxy_pass.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "net/task.h"
#include "pipeline/worker.h"

namespace keepgate::pipeline {

class Connection;
class Exchange;
struct RequestCopy;

class Mirrors {
 public:
  static constexpr std::size_t at_a_time_max = 64;
  static constexpr std::size_t body_bytes_max = 1 << 20;
  static constexpr std::size_t bytes_max = 16 << 20;

  // `exchange` is answered and was let pass by exchange.mirrored_by.
  void send(Exchange& exchange);

 private:
  void drop(const Exchange& exchange, std::string_view why);
  static net::Detached run(Mirrors& self, std::unique_ptr<Connection> connection, std::uint32_t server, std::string uri,
                           std::shared_ptr<const RequestCopy> copy);

  std::size_t at_a_time_ = 0, bytes_ = 0;
  RareNews news_;
};

}  // namespace keepgate::pipeline

// Content: what produces the answer once a request may be served. proxy/ has the one for proxy_pass.
//
// Thread rule: immutable, shared by all workers. serve() runs on the worker of the exchange.
#pragma once

#include <optional>
#include <string_view>

#include "net/task.h"
#include "pipeline/permit.h"
#include "pipeline/refusal.h"

namespace keepgate::pipeline {

class Exchange;

class Content {
 public:
  virtual ~Content() = default;
  // Takes the Permit: nothing is forwarded without one. Returns a refusal if no byte of an answer has gone out yet
  // (502, 504, …); nothing when the answer was sent, wholly or as far as the connections allowed.
  virtual net::Task<std::optional<Refusal>> serve(Exchange& exchange, Permit permit) const = 0;
  // $proxy_host: the name by which the configuration calls the upstream.
  virtual std::string_view upstream_name() const { return {}; }
  // $proxy_port where that name has none.
  virtual std::uint16_t upstream_port() const { return 80; }
};

}  // namespace keepgate::pipeline

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
  // Its queries carry secrets (RFC 6750 §5.3, RFC 9700 §4.3.2): no variable shows them, and so no log does.
  virtual bool hides_arguments() const { return false; }
};

// Whether the server of this exchange, where it stands now, is one that hides_arguments().
bool hides_arguments(const Exchange& exchange);

}  // namespace keepgate::pipeline

// UpstreamFacts: what the access log tells about the upstream servers of a request: every attempt, in order.
// Thread rule: its exchange's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "route/template.h"

namespace keepgate::pipeline {

struct UpstreamAttempt {
  std::string_view address;  // Lives as long as the exchange.
  std::uint16_t status = 0;  // As nginx: also 502 or 504 for a server that gave no answer.
  std::int64_t connect_ms = -1, header_ms = -1, response_ms = -1;
  std::int64_t began_ms = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;  // Above any TLS.
  std::uint64_t response_length = 0;                 // Received behind the head of an answer that is passed on.
  bool redirected = false;                           // The first one after the request came to another location.
};

// The attempt under way, or the last one, and those before.
struct UpstreamFacts : UpstreamAttempt {
  static constexpr std::size_t earlier_max = 64;  // What is told of; there may be more servers.

  const http::ResponseHead* head = nullptr;  // While the answer is being relayed.
  std::vector<UpstreamAttempt> earlier;

  // `first`: of a proxy_pass; an error page may have led from one to another.
  void begin_attempt(std::string_view its_address, bool first, std::int64_t now_ms);
  // $upstream_addr and its siblings, as nginx lists them: "10.0.0.1:80, 10.0.0.2:80 : 10.0.1.1:80". "" if there was
  // none.
  std::string text(route::Variable variable, std::int64_t now_ms) const;
};

std::string seconds_text(std::int64_t milliseconds);  // "1.234"

}  // namespace keepgate::pipeline

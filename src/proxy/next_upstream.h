// proxy_next_upstream: after which failures a request may go to another server, and how often.
//
// Source: nginx's documentation (design: nginx-semantics §6). A request that may have been acted on is not repeated
// unless its method is idempotent (RFC 9110 §9.2.2) or the operator says `non_idempotent`. Thread rule: pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/head.h"

namespace keepgate::proxy {

// One bit a word of the directive.
enum class Failure : std::uint16_t {
  none = 0,
  error = 1 << 0,           // No connection, or it broke before an answer's head was there.
  timeout = 1 << 1,         // Of connecting, sending or reading the head.
  invalid_header = 1 << 2,  // Empty or malformed answer.
  http_500 = 1 << 3,
  http_502 = 1 << 4,
  http_503 = 1 << 5,
  http_504 = 1 << 6,
  http_403 = 1 << 7,
  http_404 = 1 << 8,
  http_429 = 1 << 9,
};

struct NextUpstream {
  std::uint16_t failures = static_cast<std::uint16_t>(Failure::error) | static_cast<std::uint16_t>(Failure::timeout);
  bool non_idempotent = false;
  unsigned tries_max = 0;       // proxy_next_upstream_tries: all attempts together; 0: as many as there are servers.
  std::int64_t timeout_ms = 0;  // proxy_next_upstream_timeout: no further attempt begins after it; 0: no limit.

  bool lists(Failure failure) const { return (failures & static_cast<std::uint16_t>(failure)) != 0; }
};

// The word of the directive; nothing for other words (non_idempotent and off are not failures).
std::optional<Failure> failure_named(std::string_view word);
// What an answer's status counts as; none for statuses that no word is for.
Failure failure_of_status(std::uint16_t status);
// max_fails counts these; 5xx and 429 only when they are listed, 403 and 404 never.
bool counts_as_failed(Failure failure, const NextUpstream& rule);

struct Attempted {
  unsigned attempts = 0;      // So far, this one included.
  std::int64_t since_ms = 0;  // How long ago the first one began.
  bool sent = false;          // Bytes of the request may have reached the server.
  bool replayable = false;    // Its body can be sent again.
  http::Method method = http::Method::other;
  std::string_view method_text;
};
bool may_go_on(Failure failure, const NextUpstream& rule, const Attempted& attempted);

}  // namespace keepgate::proxy

#include "proxy/next_upstream.h"

namespace keepgate::proxy {

namespace {

struct Row {
  std::string_view word;
  Failure failure;
  std::uint16_t status;  // 0: not about a status.
  bool always_failed;
  bool failed_if_listed;
};

constexpr Row rows[] = {
    {"error", Failure::error, 0, true, true},
    {"timeout", Failure::timeout, 0, true, true},
    {"invalid_header", Failure::invalid_header, 0, true, true},
    {"http_500", Failure::http_500, 500, false, true},
    {"http_502", Failure::http_502, 502, false, true},
    {"http_503", Failure::http_503, 503, false, true},
    {"http_504", Failure::http_504, 504, false, true},
    {"http_403", Failure::http_403, 403, false, false},
    {"http_404", Failure::http_404, 404, false, false},
    {"http_429", Failure::http_429, 429, false, true},
};

}  // namespace

std::optional<Failure> failure_named(std::string_view word) {
  for (const Row& row : rows) {
    if (row.word == word) return row.failure;
  }
  return std::nullopt;
}

Failure failure_of_status(std::uint16_t status) {
  for (const Row& row : rows) {
    if (row.status != 0 && row.status == status) return row.failure;
  }
  return Failure::none;
}

bool counts_as_failed(Failure failure, const NextUpstream& rule) {
  for (const Row& row : rows) {
    if (row.failure == failure) return row.always_failed || (row.failed_if_listed && rule.lists(failure));
  }
  return false;
}

bool may_go_on(Failure failure, const NextUpstream& rule, const Attempted& attempted) {
  if (!rule.lists(failure) || !attempted.replayable) return false;
  if (rule.tries_max != 0 && attempted.attempts >= rule.tries_max) return false;
  if (rule.timeout_ms != 0 && attempted.since_ms >= rule.timeout_ms) return false;
  return !attempted.sent || rule.non_idempotent || http::is_idempotent(attempted.method, attempted.method_text);
}

}  // namespace keepgate::proxy

#include "pipeline/upstream_facts.h"

#include <utility>

#include "base/bytes.h"

namespace keepgate::pipeline {

namespace {

std::string one_text(const UpstreamAttempt& attempt, route::Variable variable, std::int64_t now_ms) {
  const auto time = [](std::int64_t milliseconds) {
    return milliseconds < 0 ? std::string() : seconds_text(milliseconds);
  };
  switch (variable) {
    case route::Variable::upstream_addr:
      return std::string(attempt.address);
    case route::Variable::upstream_status:
      return attempt.status == 0 ? std::string() : cat(attempt.status);
    case route::Variable::upstream_connect_time:
      return time(attempt.connect_ms);
    case route::Variable::upstream_header_time:
      return time(attempt.header_ms);
    case route::Variable::upstream_bytes_sent:
      return attempt.address.empty() ? std::string() : cat(attempt.bytes_sent);
    case route::Variable::upstream_bytes_received:
      return attempt.address.empty() ? std::string() : cat(attempt.bytes_received);
    case route::Variable::upstream_response_length:
      return attempt.address.empty() ? std::string() : cat(attempt.response_length);
    case route::Variable::upstream_response_time:
      return time(attempt.response_ms < 0 && attempt.began_ms > 0 ? now_ms - attempt.began_ms : attempt.response_ms);
    default:
      return {};
  }
}

}  // namespace

std::string seconds_text(std::int64_t milliseconds) {
  const std::int64_t rest = milliseconds % 1000;
  return cat(milliseconds / 1000, '.', rest < 100 ? "0" : "", rest < 10 ? "0" : "", rest);
}

void UpstreamFacts::begin_attempt(std::string_view its_address, bool first, std::int64_t now_ms) {
  const bool another = !address.empty();
  if (another) {
    if (response_ms < 0) response_ms = now_ms - began_ms;
    if (earlier.size() < earlier_max) earlier.push_back(*this);
  }
  static_cast<UpstreamAttempt&>(*this) = {};
  address = its_address;
  began_ms = now_ms;
  redirected = another && first;
}

std::string UpstreamFacts::text(route::Variable variable, std::int64_t now_ms) const {
  if (earlier.empty()) return one_text(*this, variable, now_ms);
  std::string out;
  const auto add = [&](const UpstreamAttempt& attempt) {
    const std::string text = one_text(attempt, variable, now_ms);
    append(out, out.empty() ? "" : attempt.redirected ? " : " : ", ", text.empty() ? std::string_view("-") : text);
  };
  for (const UpstreamAttempt& attempt : earlier) add(attempt);
  add(*this);
  return out;
}

}  // namespace keepgate::pipeline

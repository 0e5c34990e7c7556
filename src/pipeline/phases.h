// The phases of a request, as a table in nginx's order (design: nginx-semantics §1; architecture §2).
//
// A phase looks at the exchange and says how to go on; it never waits and never writes. What needs waiting (a limit's
// delay, a key set to fetch) is returned as a wish and carried out by serve(). Thread rule: its worker's.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "pipeline/exchange.h"

namespace keepgate::pipeline {

enum class Next : std::uint8_t {
  refuse = 0,     // exchange.refusal says why; told after delay_ms.
  phase,          // The next phase.
  delay,          // Wait delay_ms, then the next phase.
  need,           // Have exchange.need met, then this phase again.
  find_location,  // The URI changed: again from find_location.
  answer_return,  // return_action is the answer.
  content,        // exchange.permit is set: location().content serves.
};

struct PhaseResult {
  Next next = Next::refuse;
  std::uint64_t delay_ms = 0;
  const ReturnAction* return_action = nullptr;
};

struct Phase {
  std::string_view name;
  PhaseResult (*run)(Exchange& exchange);
};

// In the order in which they run; the table is in phases.cc.
std::span<const Phase> phases();
inline constexpr std::size_t server_rewrite_phase = 1;
inline constexpr std::size_t find_location_phase = 2;
inline constexpr std::size_t rewrite_phase = 3;

// Before the first phase: which server, and one spelling of the path. A refusal is set on failure.
bool prepare(Exchange& exchange);

// A refusal may have an error_page: sets up the redirect and tells the phase to go on from; 0: there is none (answer
// the refusal itself). `answer_redirect` is set when the error_page is a URL to send the client to.
struct ErrorPageResult {
  bool redirected = false;
  std::size_t phase = 0;
  std::string_view location;  // Not empty: answer 302 (or new_status) with this Location.
  std::uint16_t status = 0;
};
ErrorPageResult apply_error_page(Exchange& exchange, std::uint16_t status);

}  // namespace keepgate::pipeline

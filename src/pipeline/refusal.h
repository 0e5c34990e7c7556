// Refusal: why a request is not served, in a form that one function (respond) turns into a status and a body.
// Thread rule: plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keepgate::pipeline {

struct Refusal {
  std::uint16_t status = 500;
  std::string_view code = "internal";  // Public slug; a literal. The `type` of problem+json.
  std::string reason;                  // Private: goes to the logs only.
  std::string challenge;               // WWW-Authenticate, with 401.
  std::uint64_t retry_after_s = 0;     // Retry-After, if not 0.
  bool close = false;                  // The connection cannot be used any more.
};

}  // namespace keepgate::pipeline

// ServiceAnswer: what the operator's own service said about a request (auth_request), as a need of kind subrequest
// brings it. Thread rule: plain value.
#pragma once

#include <cstdint>
#include <string>

#include "auth/need.h"

namespace keepgate::auth {

struct ServiceAnswer final : AnswerValue {
  std::uint16_t status = 0;
  std::string challenge;  // WWW-Authenticate, with 401; several are joined with ", ".

  bool allows() const { return status >= 200 && status < 300; }
  bool denies() const { return status == 401 || status == 403; }
};

}  // namespace keepgate::auth

// AuthRequests: asks a location of ours about a request (auth_request) and keeps what it says: a status, a challenge,
// and the variables of auth_request_set.
//
// One subrequest at a time for a request, in its coroutine: it ends when the client goes away, and by the timeouts of
// its own proxy_pass. Thread rule: its worker's.
#pragma once

#include "pipeline/needs.h"

namespace keepgate::pipeline {

class AuthRequests final : public Supplier {
 public:
  net::Task<auth::Answer> supply(Exchange& exchange, const auth::Need& need) override;
};

}  // namespace keepgate::pipeline

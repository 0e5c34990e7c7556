// Needs: what decide() has to know first is found here, between two runs of the access phase.
//
// The composition gives each worker one Supplier a kind. A kind that nobody supplies is answered as not good: what
// asked refuses then. Thread rule: its worker's; a supplier waits on the worker's loop only.
#pragma once

#include "auth/need.h"
#include "net/task.h"

namespace keepgate::pipeline {

class Exchange;

class Supplier {
 public:
  // Meets `need` within a time that it bounds itself. While it waits the client may go away: it ends early then. The
  // answer's kind and key are filled in by the caller. A reason in exchange.refusal ends the request with that refusal.
  virtual net::Task<auth::Answer> supply(Exchange& exchange, const auth::Need& need) = 0;

 protected:
  ~Supplier() = default;
};

// Meets exchange.need and keeps the answer in exchange.answers. false: the client is gone (exchange.aborted), or there
// were too many needs (exchange.refusal).
net::Task<bool> meet_need(Exchange& exchange);

}  // namespace keepgate::pipeline

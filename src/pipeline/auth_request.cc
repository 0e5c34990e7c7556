#include "pipeline/auth_request.h"

#include <memory>
#include <utility>

#include "auth/service_answer.h"
#include "base/bytes.h"
#include "pipeline/exchange.h"
#include "pipeline/record.h"
#include "pipeline/serve.h"
#include "pipeline/subrequest.h"

namespace keepgate::pipeline {

namespace {

constexpr std::uint16_t client_gone = 499;

// RFC 9110 §11.6.1: several fields are one list.
std::string challenges_of(const http::ResponseHead& head) {
  std::string out;
  for (const http::HeaderLine& line : head.headers) {
    if (line.field == http::Field::www_authenticate) append(out, out.empty() ? "" : ", ", line.value);
  }
  return out;
}

auth::Answer answer_of(Subrequest& subrequest, const Exchange& asked) {
  auth::Answer out;
  if (!subrequest.read_head()) {
    out.reason = asked.refusal.reason.empty() ? "it gave no answer" : asked.refusal.reason;
    return out;
  }
  auto said = std::make_shared<auth::ServiceAnswer>();
  said->status = subrequest.head().status;
  if (said->status == 401) said->challenge = challenges_of(subrequest.head());
  out.is_good = true;
  out.value = std::move(said);
  return out;
}

}  // namespace

net::Task<auth::Answer> AuthRequests::supply(Exchange& x, const auth::Need& need) {
  const auto subrequest = std::make_unique<Subrequest>(&x, 0);
  std::unique_ptr<Exchange> exchange = x.worker().take_exchange();
  Exchange& asked = *exchange;
  auth::Answer out;
  if (asked.begin_subrequest(x.connection(), x.server(), *subrequest, need.key)) {
    co_await serve_subrequest(asked);
    log_refusal(asked);
    if (asked.facts.policy_asked) record_decision(asked);
    out = answer_of(*subrequest, asked);
  } else {
    out.reason = "the fields of the request cannot be passed on";
  }
  if (asked.aborted && asked.status == client_gone) x.aborted = true;
  // As in nginx whatever the answer was: error pages and logs may show them.
  for (const Assignment& one : x.location().assignments) {
    x.set_slot(one.slot, x.arena.copy(asked.evaluate(one.value)));
  }
  asked.end();
  x.worker().give_back(std::move(exchange));
  co_return out;
}

}  // namespace keepgate::pipeline

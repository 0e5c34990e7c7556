#include "pipeline/needs.h"

#include "base/bytes.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

namespace {

void give_up(Exchange& x) {
  x.aborted = true;
  x.status = 499;
}

}  // namespace

net::Task<bool> meet_need(Exchange& x) {
  const auth::Need need = std::move(x.need);
  x.need = {};
  if (need.kind == auth::NeedKind::turn) {
    co_await net::Yield(x.worker().loop);
    if (!x.client().broken()) co_return true;
    give_up(x);
    co_return false;
  }
  if (x.answers.full()) {
    x.refusal = {};
    x.refusal.reason = cat("more than ", auth::Answers::count_max, " things had to be known for one decision");
    co_return false;
  }
  auth::Answer answer;
  Supplier* supplier = x.worker().suppliers[static_cast<std::size_t>(need.kind)];
  x.refusal = {};
  if (supplier) {
    answer = co_await supplier->supply(x, need);
  } else {
    answer.reason = cat("nothing here answers needs of kind ", auth::name_of(need.kind));
  }
  if (x.aborted || x.client().broken()) {
    give_up(x);
    co_return false;
  }
  if (!answer.is_good && !x.refusal.reason.empty()) co_return false;
  answer.kind = need.kind;
  answer.key = need.key;
  x.answers.add(std::move(answer));
  co_return true;
}

}  // namespace keepgate::pipeline

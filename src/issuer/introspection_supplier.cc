#include "issuer/introspection_supplier.h"

#include <optional>
#include <utility>

#include "pipeline/exchange.h"

namespace keepgate::issuer {

namespace {

// The fetch ends by itself in its time; this is for the way there and back.
constexpr std::int64_t grace_ms = 500;

// Belongs to the loop that waits: `waiter` is nullptr once nobody waits any more.
struct Waiting {
  net::Waiter* waiter = nullptr;
  std::optional<auth::Answer> answer;
};

}  // namespace

net::Task<auth::Answer> IntrospectionSupplier::supply(pipeline::Exchange& exchange, const auth::Need& need) {
  const auto* wanted = dynamic_cast<const auth::IntrospectionNeed*>(need.detail.get());
  auth::Answer out;
  if (wanted == nullptr) {
    out.reason = "a need without its token";
    co_return out;
  }
  if (auto known = introspector_.find(*wanted)) co_return std::move(*known);
  auto waiting = std::make_shared<Waiting>();
  net::Loop& loop = mine_->loop();
  const std::int64_t deadline_ms = loop.now().monotonic_ms + wanted->endpoint->options().timeout_ms + grace_ms;
  net::Stream::Wait wait(exchange.client(), net::Stream::Wait::For::hangup, deadline_ms, nullptr);
  waiting->waiter = &wait;
  introspector_.ask(*wanted, [mine = mine_, waiting](auth::Answer answer) {
    auto kept = std::make_shared<auth::Answer>(std::move(answer));
    mine->post(net::make_message([waiting, kept](net::Loop&) {
      waiting->answer = std::move(*kept);
      // Not armed: it was cancelled in this turn, and is about to resume.
      if (waiting->waiter && waiting->waiter->armed()) waiting->waiter->wake(net::Wake::ready);
    }));
  });
  co_await wait;
  waiting->waiter = nullptr;
  if (waiting->answer) co_return std::move(*waiting->answer);
  out.reason = "no answer in time";
  co_return out;
}

}  // namespace keepgate::issuer

#include "pipeline/key_request.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "net/socket.h"
#include "pipeline/exchange.h"
#include "pipeline/own_connection.h"
#include "pipeline/record.h"
#include "pipeline/serve.h"
#include "pipeline/subrequest.h"

namespace keepgate::pipeline {

namespace {

constexpr std::uint16_t http_ok = 200;

Result<std::string> document_of(Subrequest& subrequest, const Exchange& asked, std::string_view uri) {
  const auto useless = [uri](std::string_view why) {
    return fail(ErrorKind::refused, Blame::upstream, "no_keys", cat(uri, ": ", why));
  };
  if (!subrequest.read_head()) {
    return useless(asked.refusal.reason.empty() ? std::string_view("no answer") : asked.refusal.reason);
  }
  if (subrequest.head().status != http_ok) return useless(cat("it answers ", subrequest.head().status));
  auto body = subrequest.body(asked.aborted);
  if (!body) return useless(body.error().detail);
  return body;
}

net::Task<Result<std::string>> fetch_document(Connection& c, const ServerConfig& server, std::string_view uri) {
  const auto subrequest = std::make_unique<Subrequest>(nullptr, auth::keys_document_bytes_max);
  std::unique_ptr<Exchange> exchange = c.worker.take_exchange();
  Exchange& asked = *exchange;
  Result<std::string> out = fail(ErrorKind::internal, Blame::us, "no_keys", cat(uri, ": it cannot be asked for"));
  if (asked.begin_subrequest(c, server, *subrequest, uri)) {
    co_await serve_subrequest(asked);
    log_refusal(asked);
    if (asked.facts.policy_asked) record_decision(asked);
    out = document_of(*subrequest, asked, uri);
  }
  asked.end();
  c.worker.give_back(std::move(exchange));
  co_return out;
}

}  // namespace

void KeyRequests::end(Round& round) {
  round.is_over = true;
  round.connection = nullptr;
  std::erase_if(rounds_, [&](const auto& one) { return one.get() == &round; });
  for (net::Waiter* const waiter : std::exchange(round.waiting, {})) {
    // Not armed: it was cancelled in this turn, and is about to resume.
    if (waiter->armed()) net::Loop::current().cancel_waiter(waiter);
  }
}

net::Detached KeyRequests::run(KeyRequests& self, std::shared_ptr<Round> round, std::unique_ptr<Connection> connection,
                               std::uint32_t server) {
  const std::int64_t asked_ms = connection->worker.loop.now().monotonic_ms;
  std::vector<std::string> documents;
  for (const std::string& uri : round->keys->options().uris) {
    auto document = co_await fetch_document(*connection, connection->snapshot->servers[server], uri);
    if (!document) {
      round->reason = document.error().detail;
      break;
    }
    documents.push_back(std::move(*document));
  }
  if (documents.size() == round->keys->options().uris.size()) {
    auto taken = round->keys->take(documents, asked_ms);
    if (taken) {
      round->brought = std::move(*taken);
    } else {
      round->reason = taken.error().detail;
    }
  }
  self.end(*round);
}

std::shared_ptr<KeyRequests::Round> KeyRequests::round_for(Exchange& x,
                                                           const std::shared_ptr<auth::RequestedKeys>& keys) {
  const auto found = std::ranges::find_if(rounds_, [&](const auto& one) { return one->keys == keys; });
  if (found != rounds_.end()) return *found;
  auto round = std::make_shared<Round>();
  round->keys = keys;
  round->began_ms = x.now().monotonic_ms;
  std::unique_ptr<Connection> connection = make_own_connection(x);
  if (!connection) {
    round->reason = "no connection is left";
    round->is_over = true;
    return round;
  }
  round->connection = connection.get();
  rounds_.push_back(round);
  run(*this, round, std::move(connection), x.server().index);  // May be over at once.
  return round;
}

net::Task<auth::Answer> KeyRequests::supply(Exchange& x, const auth::Need& need) {
  auth::Answer out;
  const auto* wanted = dynamic_cast<const auth::RequestedKeysNeed*>(need.detail.get());
  if (wanted == nullptr) {
    out.reason = "a need without its keys";
    co_return out;
  }
  const std::shared_ptr<Round> round = round_for(x, wanted->keys);
  std::int64_t deadline_ms = round->began_ms + round_ms_max_;
  while (!round->is_over && !x.client().broken() && !x.client().cancelled() && x.now().monotonic_ms < deadline_ms) {
    if (x.client().hung_up()) {  // It may still be waiting, but not for long.
      deadline_ms = std::min(deadline_ms, x.now().monotonic_ms + net::half_closed_grace_ms);
      net::SleepUntil wait(x.worker().loop, deadline_ms);
      round->waiting.push_back(&wait);
      co_await wait;
      std::erase(round->waiting, &wait);
    } else {
      net::Stream::Wait wait(x.client(), net::Stream::Wait::For::hangup, deadline_ms, nullptr);
      round->waiting.push_back(&wait);
      co_await wait;
      std::erase(round->waiting, &wait);
    }
  }
  if (!round->is_over && x.client().hung_up()) x.aborted = true;
  // An upstream that sends a byte now and then does not keep others from asking again.
  if (!round->is_over && x.now().monotonic_ms >= round->began_ms + round_ms_max_) round->connection->stream.cancel();
  if (!round->is_over) {
    out.reason = "no answer in time";
  } else if (!round->brought) {
    out.reason = round->reason;
  } else {
    auto value = std::make_shared<auth::RequestedKeysAnswer>();
    value->keys = round->brought;
    out.value = std::move(value);
    out.is_good = true;
  }
  co_return out;
}

}  // namespace keepgate::pipeline

#include "fetch/wait.h"

#include <optional>
#include <utility>

namespace keepgate::fetch {

namespace {

// Belongs to the loop that waits: `waiter` is nullptr once nobody waits any more.
struct Asked {
  net::Waiter* waiter = nullptr;
  std::optional<Result<Response>> answer;
};

void ask(const std::shared_ptr<net::ReplyAddress>& mine, Fetcher& fetcher, Request&& request,
         const std::shared_ptr<Asked>& asked) {
  fetcher.fetch(std::move(request), [mine, asked](Result<Response> answer) {
    auto kept = std::make_shared<Result<Response>>(std::move(answer));
    mine->post(net::make_message([asked, kept](net::Loop&) {
      asked->answer = std::move(*kept);
      // Not armed: it was cancelled in this turn, and is about to resume.
      if (asked->waiter && asked->waiter->armed()) asked->waiter->wake(net::Wake::ready);
    }));
  });
}

}  // namespace

net::Task<Result<Response>> fetch_on(std::shared_ptr<net::ReplyAddress> mine, Fetcher& fetcher, Request request,
                                     std::int64_t timeout_ms, net::Stream* client) {
  auto asked = std::make_shared<Asked>();
  net::Loop& loop = mine->loop();
  const std::int64_t deadline_ms = loop.now().monotonic_ms + timeout_ms;
  net::Wake wake = net::Wake::cancelled;
  if (client) {
    net::Stream::Wait wait(*client, net::Stream::Wait::For::hangup, deadline_ms, nullptr);
    asked->waiter = &wait;
    ask(mine, fetcher, std::move(request), asked);
    wake = co_await wait;
  } else {
    net::SleepUntil wait(loop, deadline_ms);
    asked->waiter = &wait;
    ask(mine, fetcher, std::move(request), asked);
    co_await wait;
    wake = wait.reason();
  }
  asked->waiter = nullptr;
  if (wake == net::Wake::ready && asked->answer) co_return std::move(*asked->answer);
  const bool is_late = wake == net::Wake::timeout;
  co_return fail(is_late ? ErrorKind::timeout : ErrorKind::cancelled, is_late ? Blame::upstream : Blame::client,
                 "fetch_failed", is_late ? "no answer in time" : "nobody waits any more");
}

}  // namespace keepgate::fetch

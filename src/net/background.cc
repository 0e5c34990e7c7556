#include "net/background.h"

#include <pthread.h>
#include <signal.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"

namespace keepgate::net {

namespace {

constexpr int shutdown_turns = 4;  // What is cancelled may wait once more on its way out.

// Belongs to the loop that asks, but for the name: `waiter` is nullptr once nobody waits any more.
struct Asked {
  Waiter* waiter = nullptr;
  NameAnswer answer;
};

void bring(ReplyAddress& mine, const std::shared_ptr<Asked>& asked, const NameAnswer& answer) {
  mine.post(make_message([asked, answer](Loop&) {
    asked->answer = answer;
    // Not armed: it was cancelled in this turn, and is about to resume.
    if (asked->waiter && asked->waiter->armed()) asked->waiter->wake(Wake::ready);
  }));
}

Detached end(Loop& loop) {
  for (int i = 0; i < shutdown_turns; ++i) {
    loop.cancel_all();
    co_await SleepUntil(loop, loop.now().monotonic_ms);
  }
  loop.stop();
}

}  // namespace

Background::Background()
    : loop_(std::make_unique<Loop>()),
      dns_(std::make_unique<DnsClient>(*loop_)),
      resolver_(std::make_unique<Resolver>(*loop_, *dns_)) {}

bool Background::start() {
  if (!loop_->valid()) return false;
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  stopped_ = !start_thread(thread_, [this] { loop_->run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (stopped_) log(LogLevel::alert, "the background: the system refuses a thread");
  return !stopped_;
}

Background::~Background() { stop(); }

void Background::stop() {
  if (std::exchange(stopped_, true)) return;
  loop_->post(make_message([this](Loop& loop) {
    ending_ = true;
    dns_->stop();
    resolver_->stop();
    end(loop);
  }));
  thread_.join();
}

Task<NameAnswer> Background::resolve(std::shared_ptr<ReplyAddress> mine, ResolverOptions options, std::string name,
                                     NameKind kind, std::int64_t timeout_ms, Stream* client) {
  auto asked = std::make_shared<Asked>();
  Loop& loop = mine->loop();
  const std::int64_t deadline_ms = loop.now().monotonic_ms + timeout_ms;
  Wake wake = Wake::cancelled;
  const auto ask = [&] {
    loop_->post(make_message([this, mine, asked, options = std::move(options), name, kind, timeout_ms](Loop&) {
      resolver_->look_up(options, name, kind, timeout_ms,
                         [mine, asked](const NameAnswer& answer) { bring(*mine, asked, answer); });
    }));
  };
  if (client) {
    Stream::Wait wait(*client, Stream::Wait::For::hangup, deadline_ms, nullptr);
    asked->waiter = &wait;
    ask();
    wake = co_await wait;
  } else {
    SleepUntil wait(loop, deadline_ms);
    asked->waiter = &wait;
    ask();
    co_await wait;
    wake = wait.reason();
  }
  asked->waiter = nullptr;
  if (wake == Wake::ready) co_return std::move(asked->answer);
  NameAnswer none;
  none.ask_again_ms = loop.now().monotonic_ms;
  none.why = wake == Wake::timeout ? describe(DnsOutcome::timeout) : "cancelled";
  co_return none;
}

}  // namespace keepgate::net

#include "issuer/service.h"

#include <algorithm>
#include <random>
#include <utility>

namespace keepgate::issuer {

namespace {

constexpr std::int64_t sleep_ms_max = 60'000;

double some_chance() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(random);
}

// Belongs to the loop that asks, but for the name: `waiter` is nullptr once nobody waits any more.
struct Asked {
  net::Waiter* waiter = nullptr;
  bool is_known = false;
  std::string why;
};

}  // namespace

IssuerService::IssuerService(net::Background& background, fetch::Fetcher& fetcher)
    : background_(background),
      keeper_(
          fetcher,
          [this](std::function<void(Now)> action) {
            background_.loop().post(net::make_message([this, action = std::move(action)](net::Loop& loop) {
              action(loop.now());
              wake();
            }));
          },
          some_chance) {}

void IssuerService::use(std::vector<std::shared_ptr<auth::Issuer>> issuers) {
  background_.loop().post(net::make_message([this, issuers = std::move(issuers)](net::Loop& loop) {
    keeper_.use(issuers, loop.now());
    if (std::exchange(running_, true)) return wake();
    run();
  }));
}

void IssuerService::wake() {
  // Not armed: it was cancelled in this turn, and is about to resume.
  if (sleeping_ && sleeping_->armed()) sleeping_->wake(net::Wake::ready);
}

net::Detached IssuerService::run() {
  net::Loop& loop = background_.loop();
  while (!background_.ending()) {
    const std::int64_t next_ms = keeper_.advance(loop.now());
    net::SleepUntil sleep(loop, std::min(next_ms, loop.now().monotonic_ms + sleep_ms_max));
    sleeping_ = &sleep;
    co_await sleep;
    sleeping_ = nullptr;
  }
  keeper_.stop();
}

net::Task<auth::Answer> IssuerService::newest_keys(std::shared_ptr<net::ReplyAddress> mine,
                                                   std::shared_ptr<const auth::Issuer> issuer, net::Stream* client) {
  auto asked = std::make_shared<Asked>();
  asked->why = "the issuer does not answer in time";
  net::Loop& loop = mine->loop();
  const std::int64_t deadline_ms = loop.now().monotonic_ms + wait_ms_max;
  const auto ask = [&] {
    background_.loop().post(net::make_message([this, mine, asked, issuer](net::Loop& its_loop) {
      keeper_.ask(*issuer, its_loop.now(), [mine, asked](bool is_known, const std::string& why) {
        mine->post(net::make_message([asked, is_known, why](net::Loop&) {
          asked->is_known = is_known;
          asked->why = why;
          // Not armed: it was cancelled in this turn, and is about to resume.
          if (asked->waiter && asked->waiter->armed()) asked->waiter->wake(net::Wake::ready);
        }));
      });
    }));
  };
  if (client) {
    net::Stream::Wait wait(*client, net::Stream::Wait::For::hangup, deadline_ms, nullptr);
    asked->waiter = &wait;
    ask();
    co_await wait;
  } else {
    net::SleepUntil wait(loop, deadline_ms);
    asked->waiter = &wait;
    ask();
    co_await wait;
  }
  asked->waiter = nullptr;
  auth::Answer out;
  out.is_good = asked->is_known;
  out.reason = asked->why;
  co_return out;
}

}  // namespace keepgate::issuer

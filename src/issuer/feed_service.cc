#include "issuer/feed_service.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/thread.h"

namespace keepgate::issuer {

namespace {

constexpr std::int64_t feed_sleep_ms_max = 60'000;

double chance_for_feeds() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(random);
}

}  // namespace

FeedService::FeedService(fetch::Fetcher& fetcher, const FeedBounds& bounds)
    : keeper_(
          fetcher, [this](std::function<void(Now)> action) { post(std::move(action)); }, chance_for_feeds, bounds) {}

FeedService::~FeedService() { stop(); }

void FeedService::post(std::function<void(Now)> action) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    actions_.push_back(std::move(action));
  }
  changed_.notify_all();
}

bool FeedService::use(const Feeds& feeds) {
  if (feeds.empty() && !thread_.joinable()) return true;
  if (!thread_.joinable()) {
    // Signals are the main thread's.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    const bool started = start_thread(thread_, [this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!started) return false;
  }
  post([this, feeds](Now now) { keeper_.use(feeds, now); });
  return true;
}

void FeedService::await_lists(const Feeds& feeds, std::int64_t ms) {
  const auto is_settled = [&] {
    return ending_ || std::ranges::all_of(
                          feeds, [](const auto& feed) { return feed->options().is_optional || feed->was_asked(); });
  };
  std::unique_lock lock(mutex_);
  answered_.wait_for(lock, std::chrono::milliseconds(ms), is_settled);
}

void FeedService::run() {
  ::pthread_setname_np(::pthread_self(), "kg-revocations");
  std::int64_t next_ms = INT64_MAX;
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const std::int64_t sleep_ms = std::clamp<std::int64_t>(next_ms - Now::read().monotonic_ms, 0, feed_sleep_ms_max);
    const bool has_due = next_ms != INT64_MAX && sleep_ms == 0;
    if (!has_due) {
      changed_.wait_for(lock, std::chrono::milliseconds(next_ms == INT64_MAX ? feed_sleep_ms_max : sleep_ms),
                        [this] { return ending_ || !actions_.empty(); });
    }
    const auto actions = std::exchange(actions_, {});
    lock.unlock();
    for (const auto& action : actions) action(Now::read());
    next_ms = keeper_.advance(Now::read());
    lock.lock();
    answered_.notify_all();
  }
  keeper_.stop();
}

void FeedService::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  answered_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace keepgate::issuer

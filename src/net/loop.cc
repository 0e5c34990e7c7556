#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace keepgate::net {

namespace {
thread_local Loop* current_loop = nullptr;
constexpr int events_per_turn = 256;
constexpr std::int64_t turn_ms_max = 60'000;
}  // namespace

void Waiter::unregister() {
  for (Waiter**& slot : slots_) {
    if (slot && *slot == this) *slot = nullptr;
    slot = nullptr;
  }
  TimerWheel::disarm(*this);
}

void Waiter::wake(Wake reason) {
  unregister();
  reason_ = reason;
  handle_.resume();  // The waiter may be gone after this line.
}

Loop::Loop() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  valid_ = epoll_ >= 0 && wake_descriptor_ >= 0 && ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_descriptor_, &event) == 0;
  if (!valid_) log(LogLevel::alert, "an event loop cannot be made: ", std::strerror(errno));
  now_ = Now::read();
  timers_.advance(now_.monotonic_ms);
  current_loop = this;
}

Loop::~Loop() {
  if (wake_descriptor_ >= 0) ::close(wake_descriptor_);
  if (epoll_ >= 0) ::close(epoll_);
  if (current_loop == this) current_loop = nullptr;
}

Loop& Loop::current() {
  KG_ASSERT(current_loop);
  return *current_loop;
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof one);
}

void Loop::post(std::unique_ptr<Message> message) {
  {
    const std::lock_guard lock(mailbox_mutex_);
    mailbox_.push_back(std::move(message));
    mailbox_full_.store(true, std::memory_order_release);
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof one);
}

Watch* Loop::add(int descriptor, bool exclusive) {
  Watch* watch = nullptr;
  if (spare_.empty()) {
    watch = &watches_.emplace_back();
  } else {
    watch = spare_.back();
    spare_.pop_back();
    *watch = Watch{};
  }
  epoll_event event{};
  event.events = exclusive ? EPOLLIN | EPOLLET | EPOLLEXCLUSIVE : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = watch;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    log(LogLevel::crit, "epoll_ctl() failed: ", std::strerror(errno));
    watch->dead = true;
    spare_.push_back(watch);
    return nullptr;
  }
  ++watch_count_;
  return watch;
}

void Loop::forget(int descriptor) { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr); }

void Loop::remove(Watch* watch) {
  KG_ASSERT(!watch->reader && !watch->writer && !watch->hangup_waiter);
  watch->dead = true;
  --watch_count_;
  buried_.push_back(watch);  // An event of this turn may still point at it.
}

void Loop::bury() {
  spare_.insert(spare_.end(), buried_.begin(), buried_.end());
  buried_.clear();
}

void Loop::cancel_waiter(Waiter* waiter) {
  if (!waiter) return;
  waiter->unregister();
  waiter->reason_ = Wake::cancelled;
  defer(waiter->handle_);
}

void Loop::cancel(Watch& watch) {
  watch.cancelled = true;
  cancel_waiter(watch.reader);
  cancel_waiter(watch.writer);
  cancel_waiter(watch.hangup_waiter);
}

void Loop::cancel_all() {
  for (Watch& watch : watches_) {
    if (!watch.dead) cancel(watch);
  }
  // Taken off the list at once: a second cancel_all() before they resume must not resume them twice.
  for (Waiter* sleeper : std::exchange(sleepers_, {})) cancel_waiter(sleeper);
}

void SleepUntil::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  loop_.sleepers_.push_back(this);
  loop_.timers().arm(*this, deadline_ms_);
}

void SleepUntil::await_resume() { std::erase(loop_.sleepers_, this); }

void Loop::run_deferred() {
  while (!ready_.empty()) {
    running_.swap(ready_);
    for (const std::coroutine_handle<> handle : running_) handle.resume();
    running_.clear();
  }
}

void Loop::take_messages() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_descriptor_, &count, sizeof count);
  if (!mailbox_full_.load(std::memory_order_acquire)) return;
  std::vector<std::unique_ptr<Message>> messages;
  {
    const std::lock_guard lock(mailbox_mutex_);
    messages.swap(mailbox_);
    mailbox_full_.store(false, std::memory_order_relaxed);
  }
  for (const auto& message : messages) message->deliver(*this);
}

// INVARIANT: a resumed coroutine may let go of this watch; it stays allocated until bury(), and `dead` says so.
void Loop::dispatch(Watch& watch, std::uint32_t events) {
  constexpr std::uint32_t broken = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if (events & (EPOLLIN | broken)) watch.readable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) watch.writable = true;
  if (events & broken) watch.hangup = true;
  if (events & (EPOLLHUP | EPOLLERR)) watch.broken = true;
  if (watch.writer && watch.writable) watch.writer->wake(Wake::ready);
  if (!watch.dead && watch.reader && watch.readable) watch.reader->wake(Wake::ready);
  if (!watch.dead && watch.hangup_waiter && watch.hangup) watch.hangup_waiter->wake(Wake::hangup);
}

void Loop::run() {
  current_loop = this;
  epoll_event events[events_per_turn];
  while (!stopping_.load(std::memory_order_acquire)) {
    const auto timeout = static_cast<int>(timers_.wait_ms(now_.monotonic_ms, turn_ms_max));
    const int count = ::epoll_wait(epoll_, events, events_per_turn, ready_.empty() && yielded_.empty() ? timeout : 0);
    now_ = Now::read();
    ++turn_;
    if (count < 0 && errno != EINTR) {
      log(LogLevel::alert, "epoll_wait() failed: ", std::strerror(errno));
      break;
    }
    for (int i = 0; i < count; ++i) {
      if (!events[i].data.ptr) {
        take_messages();
        continue;
      }
      auto& watch = *static_cast<Watch*>(events[i].data.ptr);
      if (!watch.dead) dispatch(watch, events[i].events);
    }
    ready_.insert(ready_.end(), yielded_.begin(), yielded_.end());
    yielded_.clear();
    run_deferred();
    timers_.advance(now_.monotonic_ms);
    run_deferred();
    bury();
  }
}

}  // namespace keepgate::net

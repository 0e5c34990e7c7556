// transact(): a worker's coroutine waits for a job of the transactor without holding up its loop.
//
// Thread rule: awaited on the loop of `mine`; the job runs on the transactor's thread, and its result comes back by a
// message. Lifetime: the transactor outlives the loop's coroutines; job and result are held until both sides have let
// go of them. Bounds: transact_ms_max, whatever the deadline.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "net/background.h"
#include "net/loop.h"
#include "store/transactor.h"

namespace keepgate::store {

inline constexpr std::int64_t transact_ms_max = 30'000;

namespace detail {

template <typename T>
struct Transacting {
  std::atomic<bool> is_given_up{false};
  // The transactor's until its message is delivered, then the loop's.
  Result<T> result = store_unavailable("no answer in time", ErrorKind::timeout);
  // The loop's.
  net::Waiter* waiter = nullptr;  // nullptr: nobody waits.
  bool is_known = false;
};

}  // namespace detail

// What the job returns, once it is committed. store_unavailable: the store is out of reach, the line is full, or the
// deadline (monotonic) passed; then it may have been done all the same, and one that has not begun is not begun any
// more.
// A job that captures is a variable of its own, not written within the co_await: g++ 12 destroys such captures twice.
template <typename T>
net::Task<Result<T>> transact(Transactor& transactor, std::shared_ptr<net::ReplyAddress> mine, std::int64_t deadline_ms,
                              std::function<Result<T>(Database&)> job) {
  auto shared = std::make_shared<detail::Transacting<T>>();
  auto work = [shared, job = std::move(job)](Database& database) -> Result<void> {
    if (shared->is_given_up.load(std::memory_order_relaxed)) {
      return store_unavailable("nobody waits for it any more", ErrorKind::cancelled);
    }
    shared->result = job(database);
    if (!shared->result) return std::unexpected(shared->result.error());
    return {};
  };
  auto done = [shared, mine](Result<void> outcome) {
    if (!outcome) shared->result = std::unexpected(std::move(outcome.error()));
    mine->post(net::make_message([shared](net::Loop&) {
      shared->is_known = true;
      // Not armed: it was cancelled in this turn, and is about to resume.
      if (shared->waiter && shared->waiter->armed()) shared->waiter->wake(net::Wake::ready);
    }));
  };
  net::Loop& loop = mine->loop();
  net::SleepUntil wait(loop, std::min(deadline_ms, loop.now().monotonic_ms + transact_ms_max));
  shared->waiter = &wait;
  if (!transactor.ask(std::move(work), std::move(done))) {
    shared->waiter = nullptr;
    co_return store_unavailable("too many jobs wait for the store", ErrorKind::limit);
  }
  co_await wait;
  shared->waiter = nullptr;
  if (shared->is_known) co_return std::move(shared->result);
  shared->is_given_up.store(true, std::memory_order_relaxed);
  co_return store_unavailable("no answer of the store in time", ErrorKind::timeout);
}

}  // namespace keepgate::store

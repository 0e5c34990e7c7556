// transact(): a worker's coroutine waits for a job of the transactor without holding up its loop.
//
// Thread rule: awaited on the loop of `mine`; the job runs on the transactor's thread, and its result comes back by a
// message. Lifetime: the transactor outlives the loop's coroutines; job and result are held until both sides have let
// go of them. Bounds: transact_ms_max, whatever the deadline; behind it commit_ms_max.
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
// Behind the deadline, for the commit of a job that has ended: it cannot be taken back any more.
inline constexpr std::int64_t commit_ms_max = Transactor::stop_ms_max + 500;
// Of a wait that is cancelled, for its outcome; then for its commit. Together less than a worker that ends waits for
// its connections (2 s): it would leave without them.
inline constexpr std::int64_t cancelled_ms_max = 1'000, cancelled_commit_ms_max = 750;

namespace detail {

// Who was first: the waiter that gives up or the job that comes to its end.
enum class Standing : std::uint8_t { open = 0, given_up, ended };

template <typename T>
struct Transacting {
  std::atomic<Standing> standing{Standing::open};
  // The transactor's until its message is delivered, then the loop's.
  Result<T> result = store_unavailable("no answer in time", ErrorKind::timeout);
  // The loop's.
  net::Waiter* waiter = nullptr;  // nullptr: nobody waits.
  bool is_known = false;

  // The waiter's. true: what was not done yet is not done any more.
  bool give_up() {
    Standing before = Standing::open;
    return standing.compare_exchange_strong(before, Standing::given_up, std::memory_order_acq_rel);
  }
  // The job's, which may run again: then it can be given up again. false: it was given up.
  bool begin() {
    Standing before = Standing::ended;
    standing.compare_exchange_strong(before, Standing::open, std::memory_order_acq_rel);
    return standing.load(std::memory_order_acquire) == Standing::open;
  }
  bool end() {
    Standing before = Standing::open;
    return standing.compare_exchange_strong(before, Standing::ended, std::memory_order_acq_rel);
  }
};

// Waits until the outcome is known, longer where the loop cancels the wait or the job is being committed.
// false: it is not known.
template <typename T>
net::Task<bool> wait_for_outcome(net::Loop& loop, std::shared_ptr<Transacting<T>> shared, std::int64_t deadline_ms) {
  std::int64_t until_ms = std::min(deadline_ms, loop.now().monotonic_ms + transact_ms_max);
  bool is_cancelled = false, is_committing = false;
  while (true) {
    {
      net::SleepUntil wait(loop, until_ms);
      shared->waiter = &wait;
      co_await wait;
      shared->waiter = nullptr;
    }
    if (shared->is_known) co_return true;
    const std::int64_t now_ms = loop.now().monotonic_ms;
    if (now_ms < until_ms) {  // Cancelled; once more does not make it longer.
      if (std::exchange(is_cancelled, true)) continue;
      until_ms = std::min(until_ms, now_ms + (is_committing ? cancelled_commit_ms_max : cancelled_ms_max));
      continue;
    }
    if (shared->give_up() || is_committing) co_return false;
    is_committing = true;
    until_ms = now_ms + (is_cancelled ? cancelled_commit_ms_max : commit_ms_max);
  }
}

}  // namespace detail

// What the job returns, once it is committed. store_unavailable: the store is out of reach, the line is full, or the
// deadline (monotonic) passed. Then it was not done and will not be, with one exception: its commit had begun and took
// longer than commit_ms_max more. A loop that cancels its waits (the worker stops) leaves this one cancelled_ms_max to
// bring back what is committed.
// A job that captures is a variable of its own, not written within the co_await: g++ 12 destroys such captures twice.
template <typename T>
net::Task<Result<T>> transact(Transactor& transactor, std::shared_ptr<net::ReplyAddress> mine, std::int64_t deadline_ms,
                              std::function<Result<T>(Database&)> job) {
  auto shared = std::make_shared<detail::Transacting<T>>();
  auto work = [shared, job = std::move(job)](Database& database) -> Result<void> {
    if (!shared->begin()) return store_unavailable("nobody waits for it any more", ErrorKind::cancelled);
    shared->result = job(database);
    if (!shared->result) return std::unexpected(shared->result.error());
    // Who asked has been told that it failed: what it wrote is undone.
    if (!shared->end()) return store_unavailable("nobody waited for its end", ErrorKind::cancelled);
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
  if (!transactor.ask(std::move(work), std::move(done))) {
    co_return store_unavailable("too many jobs wait for the store", ErrorKind::limit);
  }
  // A task of its own, not within a condition: g++ 12.
  net::Task<bool> outcome = detail::wait_for_outcome<T>(mine->loop(), shared, deadline_ms);
  const bool is_known = co_await outcome;
  if (is_known) co_return std::move(shared->result);
  co_return store_unavailable("no answer of the store in time", ErrorKind::timeout);
}

}  // namespace keepgate::store

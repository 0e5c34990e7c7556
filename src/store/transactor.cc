#include "store/transactor.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "crypto/random.h"

namespace keepgate::store {

namespace {

constexpr int open_step_ms = 50;  // Of waiting for a connection, so that jobs meanwhile are told.
constexpr std::int64_t note_period_ms = 1'000;
constexpr unsigned pause_us_max = 4'000;  // Before what collided runs again, times the number of attempts.

std::int64_t monotonic_ms() { return Now::read().monotonic_ms; }

void pause_before_attempt(int attempts) {
  const auto us = static_cast<std::int64_t>(crypto::random_u64() % (pause_us_max * static_cast<unsigned>(attempts)));
  const timespec moment{.tv_sec = us / 1'000'000, .tv_nsec = us % 1'000'000 * 1'000};
  ::nanosleep(&moment, nullptr);
}

std::unique_ptr<Connection> make_connection(const StoreAddress& address) {
  switch (address.kind) {
    case StoreKind::sqlite:
      return make_sqlite_connection(address);
    case StoreKind::postgres:
      return make_postgres_connection(address);
    case StoreKind::none:
      break;
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Transactor>> Transactor::open(const Options& options) {
  std::unique_ptr<Connection> connection = make_connection(options.address);
  if (!connection) return store_broken("no address of a store");
  const std::string shown = options.address.shown;
  std::string why = "no answer in time";
  const std::int64_t deadline_ms = monotonic_ms() + open_ms_max;
  Opening opening = Opening::pending;
  while (opening == Opening::pending && monotonic_ms() < deadline_ms) {
    opening = connection->open(options.access, open_step_ms, why);
  }
  if (opening != Opening::open) return store_unavailable(cat("store ", shown, ": ", why));
  if (Result<void> migrated = migrate(*connection, options.migrations); !migrated) {
    migrated.error().detail = cat("store ", shown, ": ", migrated.error().detail);
    return std::unexpected(std::move(migrated.error()));
  }
  auto made = std::unique_ptr<Transactor>(new Transactor(options, std::move(connection)));
  sigset_t all, before;  // Signals are the main thread's.
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  const bool started = start_thread(made->thread_, [self = made.get()] { self->work(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) return store_unavailable("the system refuses a thread");
  return made;
}

Transactor::Transactor(const Options& options, std::unique_ptr<Connection> connection)
    : options_(options), connection_(std::move(connection)) {}

Transactor::~Transactor() { stop(); }

bool Transactor::put(Item item) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || line_.size() >= options_.waiting_max) return false;
    line_.push_back(std::move(item));
  }
  changed_.notify_one();
  return true;
}

bool Transactor::ask(Job job, Done done) { return put({std::move(job), std::move(done), {}}); }

Result<void> Transactor::run(Job job) {
  KG_ASSERT(std::this_thread::get_id() != thread_.get_id());
  std::mutex mutex;
  std::condition_variable is_told;
  bool is_over = false;
  Result<void> outcome;
  const auto done = [&](Result<void> its) {
    const std::lock_guard lock(mutex);
    outcome = std::move(its);
    is_over = true;
    is_told.notify_one();  // Under the lock: who waits takes all of this away.
  };
  if (!put({std::move(job), done, {}}))
    return store_unavailable("too many jobs wait, or it was stopped", ErrorKind::limit);
  std::unique_lock lock(mutex);
  is_told.wait(lock, [&] { return is_over; });
  return outcome;
}

void Transactor::set_observer(Observer observer) {
  {
    const std::lock_guard lock(mutex_);
    new_observer_ = std::move(observer);
    has_new_observer_ = true;
  }
  observe();
}

void Transactor::observe() {
  const Result<void> ignored = run(nullptr);
  static_cast<void>(ignored);  // Out of reach or stopped: it is called when the store is back, or not any more.
}

void Transactor::set_sweeper(std::int64_t period_ms, Job sweeper) {
  {
    const std::lock_guard lock(mutex_);
    new_sweeper_ = std::move(sweeper);
    new_sweep_period_ms_ = std::max(period_ms, std::int64_t{1});
  }
  changed_.notify_one();
}

void Transactor::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) stop_before_ms_ = monotonic_ms() + stop_ms_max;
    stopping_ = true;
  }
  changed_.notify_one();
  const std::lock_guard lock(stop_mutex_);
  if (!thread_.joinable()) return;
  KG_ASSERT(std::this_thread::get_id() != thread_.get_id());
  thread_.join();
}

Transactor::Counts Transactor::counts() const {
  return {.jobs_done = jobs_done_, .jobs_failed = jobs_failed_, .commits = commits_, .repeats = repeats_};
}

// ---- its thread

// Takes what waits. INT64_MAX: go on; otherwise it was stopped, and this is when to be ready.
std::int64_t Transactor::wait_for_work(std::vector<Item>& batch) {
  std::unique_lock lock(mutex_);
  std::int64_t wait_ms = look_period_ms;
  if (sweeper_) wait_ms = std::clamp(sweep_at_ms_ - monotonic_ms(), std::int64_t{0}, wait_ms);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                    [this] { return stopping_ || !line_.empty() || new_sweeper_; });
  if (std::exchange(has_new_observer_, false)) observer_ = std::exchange(new_observer_, nullptr);
  if (new_sweeper_) {
    sweeper_ = std::exchange(new_sweeper_, nullptr);
    sweep_period_ms_ = new_sweep_period_ms_;
    sweep_at_ms_ = monotonic_ms() + sweep_period_ms_;
  }
  const std::size_t count = std::min(line_.size(), batch_jobs_max);
  const auto end = line_.begin() + static_cast<std::ptrdiff_t>(count);
  batch.assign(std::make_move_iterator(line_.begin()), std::make_move_iterator(end));
  line_.erase(line_.begin(), end);
  return stopping_ ? stop_before_ms_ : INT64_MAX;
}

void Transactor::work() {
  ::pthread_setname_np(::pthread_self(), "store");
  std::vector<Item> batch;
  while (true) {
    const std::int64_t stop_before_ms = wait_for_work(batch);
    if (batch.empty() && stop_before_ms != INT64_MAX) break;
    if (!batch.empty() && monotonic_ms() > stop_before_ms) {
      fail_all(batch, store_unavailable("it was stopped", ErrorKind::cancelled).error());
    } else if (!batch.empty()) {
      carry_out(batch);
    }
    batch.clear();
    if (stop_before_ms == INT64_MAX) regular_work();
  }
  connection_->close();
}

void Transactor::regular_work() {
  if (!reach(open_step_ms)) return;
  const std::int64_t now_ms = monotonic_ms();
  if (now_ms >= look_at_ms_) {
    look_at_ms_ = now_ms + look_period_ms;
    if (connection_->others_changed() || now_ms >= observe_at_ms_) must_observe_ = true;
    if (must_observe_) call_observer();
  }
  if (sweeper_ && now_ms >= sweep_at_ms_) sweep();
}

void Transactor::sweep() {
  const auto done = [this](const Result<void>& outcome) {
    if (!outcome) log(LogLevel::warn, "store ", options_.address.shown, ": sweeping: ", outcome.error().detail);
  };
  Item item{sweeper_, done, {}};
  carry_out({&item, 1});
  sweep_at_ms_ = monotonic_ms() + sweep_period_ms_;
}

bool Transactor::reach(int wait_ms) {
  if (connection_->is_open()) return true;
  const std::int64_t began_ms = monotonic_ms();
  if (began_ms < reopen_at_ms_) return false;
  std::string why;
  Opening opening = Opening::pending;
  do {
    opening = connection_->open(Access::none, std::min(wait_ms, open_step_ms), why);
  } while (opening == Opening::pending && monotonic_ms() - began_ms < wait_ms);
  if (opening == Opening::pending) {  // It goes on with the next call; meanwhile nobody waits for it.
    if (reachable_.exchange(false)) note_failure(why_unreachable_ = "it does not answer");
    return false;
  }
  if (opening == Opening::open) {
    const Result<void> good = check_migrated(*connection_, options_.migrations);
    if (good && connection_->is_open()) {
      if (!reachable_.exchange(true)) log(LogLevel::notice, "store ", options_.address.shown, ": it is back");
      why_unreachable_.clear();
      must_observe_ = true;
      return true;
    }
    why = good ? "the connection was lost" : good.error().detail;
  }
  lose(why);
  return false;
}

// The next attempt comes after a while. Said once for each reason.
void Transactor::lose(std::string_view why) {
  connection_->close();
  reachable_ = false;
  reopen_at_ms_ = monotonic_ms() + (connection_->opens_at_once() ? 0 : reopen_period_ms);
  if (why_unreachable_ == why) return;
  why_unreachable_ = why;
  note_failure(cat("out of reach: ", why));
}

// What collides is tried again in smaller transactions, which hold less that others may want.
void Transactor::carry_out(Items items) {
  std::size_t most = items.size();
  int attempts = 0;
  while (!items.empty()) {
    if (!reach(reachable_ ? reopen_wait_ms : 0)) {
      fail_all(items, store_unavailable(cat("out of reach: ", why_unreachable_), ErrorKind::unreachable).error());
      return;
    }
    const Items some = items.first(std::min(most, items.size()));
    std::string why;
    const CommitOutcome outcome = run_transaction(some, why);
    const bool is_last = ++attempts >= attempts_max;
    if (outcome == CommitOutcome::again && !is_last) {
      repeats_.fetch_add(1, std::memory_order_relaxed);
      must_observe_ = true;  // Of others, something may have been missed.
      most = std::max(some.size() / 2, std::size_t{1});
      pause_before_attempt(attempts);
      continue;
    }
    if (outcome == CommitOutcome::done) {
      commits_.fetch_add(1, std::memory_order_relaxed);
      if (must_observe_ && connection_->is_open()) call_observer();
      tell(some);
    } else {
      if (outcome == CommitOutcome::again) why = cat("others were faster ", attempts, " times: ", why);
      fail_all(some, store_unavailable(why).error());
    }
    items = items.subspan(some.size());
    attempts = 0;
  }
}

// A full disk fails each transaction: it is said once a second.
void Transactor::note_failure(std::string_view why) {
  const std::int64_t now_ms = monotonic_ms();
  if (now_ms < note_at_ms_) return;
  note_at_ms_ = now_ms + note_period_ms;
  log(LogLevel::error, "store ", options_.address.shown, ": ", why);
}

// A connection that is of no more use is closed here, and opened again before the next transaction.
CommitOutcome Transactor::run_transaction(Items items, std::string& why) {
  const auto outcome_of_trouble = [&] {
    const Trouble trouble = connection_->trouble();
    if (why.empty()) why = trouble == Trouble::lost ? "the connection was lost" : "the transaction was lost";
    connection_->rollback();
    const Trouble last = connection_->trouble();  // Perhaps it cannot even be rolled back.
    if (last == Trouble::failed || last == Trouble::lost) connection_->close();
    if (trouble == Trouble::failed) note_failure(why);
    return trouble == Trouble::again || trouble == Trouble::lost ? CommitOutcome::again : CommitOutcome::failed;
  };
  if (const Result<void> began = connection_->begin(false); !began) {
    why = began.error().detail;
    return outcome_of_trouble();
  }
  for (Item& item : items) {
    if (run_item(item)) continue;
    if (!item.outcome) why = item.outcome.error().detail;
    return outcome_of_trouble();
  }
  const bool has_changed = connection_->changed_rows();
  const CommitOutcome outcome = connection_->commit(why);
  if (outcome == CommitOutcome::done) {
    must_observe_ = must_observe_ || has_changed;
    return outcome;
  }
  if (connection_->trouble() != Trouble::none) outcome_of_trouble();
  return outcome;
}

// false: there is trouble with the transaction as a whole.
bool Transactor::run_item(Item& item) {
  item.outcome = {};
  if (!item.job) {
    must_observe_ = true;
    return true;
  }
  if (!connection_->begin_job()) return false;
  item.outcome = item.job(*connection_);
  if (connection_->trouble() != Trouble::none) return false;
  if (item.outcome && connection_->statement_failed()) {
    item.outcome = store_broken("a job that goes on behind a failed statement");
  }
  return item.outcome ? connection_->keep_job() : connection_->undo_job();
}

void Transactor::tell(Items items) {
  for (Item& item : items) {
    (item.outcome ? jobs_done_ : jobs_failed_).fetch_add(1, std::memory_order_relaxed);
    item.done(std::move(item.outcome));
  }
}

void Transactor::fail_all(Items items, const Error& error) {
  for (Item& item : items) item.outcome = std::unexpected(error);
  tell(items);
}

void Transactor::call_observer() {
  must_observe_ = false;
  observe_at_ms_ = monotonic_ms() + observe_period_ms;
  if (!observer_) return;
  if (const Result<void> began = connection_->begin(true); began) {
    observer_(*connection_);
    if (connection_->statement_failed() || connection_->trouble() != Trouble::none) must_observe_ = true;
    connection_->rollback();
  } else {
    must_observe_ = true;
    if (connection_->trouble() == Trouble::failed) note_failure(began.error().detail);
  }
  if (connection_->trouble() == Trouble::lost || connection_->trouble() == Trouble::failed) connection_->close();
}

}  // namespace keepgate::store

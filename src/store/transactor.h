// Transactor: the one thread that works with the store. Jobs that wait at the same time share a commit.
//
// A job runs between a savepoint and its release, so that its failure leaves the others of its transaction alone;
// nobody is told "done" before the commit is on the disk. Jobs of one process run one after another, and those of
// several processes as if they did (SQLite has one writer; PostgreSQL runs SERIALIZABLE, and what collides runs again).
//
// Thread rule: ask(), run(), observe(), counts() and stop() from any thread but its own; jobs, `done`, observer and
// sweeper are called on its own. Lifetime: what those refer to outlives stop(); it is not taken along through fork().
// Bounds: waiting_max jobs in the line, batch_jobs_max jobs a commit, attempts_max attempts for a job.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "store/connection.h"
#include "store/database.h"
#include "store/migrations.h"

namespace keepgate::store {

class Transactor {
 public:
  static constexpr std::size_t batch_jobs_max = 256;
  static constexpr int attempts_max = 10;
  static constexpr std::int64_t look_period_ms = 100;        // How often changes by others are looked for.
  static constexpr std::int64_t observe_period_ms = 10'000;  // The observer is called at least this often.
  static constexpr std::int64_t open_ms_max = 5'000;         // At the start.
  static constexpr int reopen_wait_ms = 1'000;               // For jobs whose connection was lost under them.
  static constexpr std::int64_t reopen_period_ms = 500;      // Between attempts while the store is out of reach.
  static constexpr std::int64_t stop_ms_max = 2'000;         // For what waits when it is stopped.

  struct Options {
    StoreAddress address;
    std::span<const Migration> migrations;  // Outlive the transactor.
    std::size_t waiting_max = 10'000;
    Access access = Access::create;  // none: an SQLite file has to be there already.
  };
  struct Counts {
    std::uint64_t jobs_done = 0, jobs_failed = 0, commits = 0, repeats = 0;
  };
  using Job = std::function<Result<void>(Database&)>;
  using Done = std::function<void(Result<void>)>;
  using Observer = std::function<void(Database&)>;

  // Opens, makes the file (0600, in a folder that is there) or connects, migrates. Waits for it.
  static Result<std::unique_ptr<Transactor>> open(const Options& options);
  ~Transactor();  // Stops it.
  Transactor(const Transactor&) = delete;
  Transactor& operator=(const Transactor&) = delete;

  // A job may run more than once (when its transaction was lost before the commit): it must have no effect but in the
  // database and on what it captures, which it sets anew each time. It runs no BEGIN, COMMIT or SAVEPOINT. Failing, it
  // undoes what it wrote, and `done` (which is quick) gets its error. What it read counts only if `done` says so.
  // false: the line is full or it was stopped; nothing will be called.
  [[nodiscard]] bool ask(Job job, Done done);
  // The same, waiting for it: command line, start, tests. Never on a worker.
  Result<void> run(Job job);

  // Called once now, then after each commit that changed rows, before those who asked for it are told (what is told to
  // be revoked is revoked), and within look_period_ms of a change by another process. Its Database refuses to write. It
  // should be quick: look at a version first. Not called while the store is out of reach, and soon when it is back.
  void set_observer(Observer observer);
  void observe();  // Calls it now, and waits for it.

  // Regular work, like a job of its own, from one period from now on. Failures are logged. All others wait meanwhile:
  // it does a bounded piece each time.
  void set_sweeper(std::int64_t period_ms, Job sweeper);

  // What waits is done if that is possible within stop_ms_max; everybody is answered. Then the thread ends.
  void stop();

  bool is_reachable() const { return reachable_.load(std::memory_order_relaxed); }
  Counts counts() const;

 private:
  struct Item {
    Job job;  // None: the observer is to be called.
    Done done;
    Result<void> outcome;
  };
  using Items = std::span<Item>;

  Transactor(const Options& options, std::unique_ptr<Connection> connection);
  [[nodiscard]] bool put(Item item);
  void work();
  std::int64_t wait_for_work(std::vector<Item>& batch);
  void regular_work();
  void sweep();
  bool reach(int wait_ms);  // Opens it again if that is due. false: the store is out of reach.
  void lose(std::string_view why);
  void note_failure(std::string_view why);
  void carry_out(Items items);
  CommitOutcome run_transaction(Items items, std::string& why);
  bool run_item(Item& item);
  void tell(Items items);
  void fail_all(Items items, const Error& error);
  void call_observer();

  const Options options_;
  std::mutex mutex_;  // Guards what follows, up to the empty line.
  std::condition_variable changed_;
  std::deque<Item> line_;
  bool stopping_ = false;
  std::int64_t stop_before_ms_ = 0;
  Observer new_observer_;
  bool has_new_observer_ = false;
  Job new_sweeper_;
  std::int64_t new_sweep_period_ms_ = 0;

  std::atomic<bool> reachable_{true};
  std::atomic<std::uint64_t> jobs_done_{0}, jobs_failed_{0}, commits_{0}, repeats_{0};

  // The thread's own.
  std::unique_ptr<Connection> connection_;
  Observer observer_;
  Job sweeper_;
  bool must_observe_ = false;
  std::int64_t look_at_ms_ = 0, observe_at_ms_ = 0, reopen_at_ms_ = 0, note_at_ms_ = 0;
  std::int64_t sweep_period_ms_ = 0, sweep_at_ms_ = 0;
  std::string why_unreachable_;

  std::mutex stop_mutex_;  // Guards the end of thread_.
  std::thread thread_;
};

}  // namespace keepgate::store

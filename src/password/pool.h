// Pool: a few threads that work out slow password hashes, so that no worker's loop waits for one.
//
// What is the same (one id: user, password and stored hash) is worked out once for everybody who waits, and what nobody
// waits for any more is not begun. Thread rule: ask() and stop() from any thread; `done` is called on a thread of the
// pool. Bounds: waiting_max checks in the line, whatever number of requests wait for each; what is above is not taken.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth/password_check.h"

namespace keepgate::password {

// One request that waits.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual void done(bool matches) = 0;
  void give_up() { is_over_.store(true, std::memory_order_relaxed); }
  bool is_over() const { return is_over_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> is_over_{false};
};

class Pool {
 public:
  static constexpr std::size_t waiting_max = 128;
  static constexpr unsigned threads_max = 4;
  // A quarter of the processors, at least one: a flood of passwords leaves the others to the workers.
  static unsigned usual_threads();

  using Check = std::function<bool(const auth::PasswordNeed& need)>;
  Pool();
  Pool(unsigned threads, Check check);
  ~Pool();  // Stops it.
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Threads start with the first one. false: the line is full, the system has no thread, or it was stopped.
  [[nodiscard]] bool ask(const std::string& id, std::shared_ptr<const auth::PasswordNeed> need,
                         std::shared_ptr<Waiting> waiting);
  void stop();  // What is being worked out is finished; nobody is told anything any more.

 private:
  struct Job {
    std::string id;
    std::shared_ptr<const auth::PasswordNeed> need;
    std::vector<std::shared_ptr<Waiting>> waiting;
  };
  bool start();
  void run();

  const unsigned thread_count_;
  const Check check_;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> line_;
  std::unordered_map<std::string, std::shared_ptr<Job>> jobs_;  // In the line, and those being worked out.
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace keepgate::password

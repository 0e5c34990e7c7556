#include "password/pool.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "base/thread.h"
#include "crypto/password_hash.h"

namespace keepgate::password {

unsigned Pool::usual_threads() { return std::clamp(std::thread::hardware_concurrency() / 4, 1U, threads_max); }

Pool::Pool()
    : Pool(usual_threads(), [](const auth::PasswordNeed& need) {
        return crypto::matches_password(need.password.view(), need.stored.view());
      }) {}

Pool::Pool(unsigned threads, Check check) : thread_count_(threads), check_(std::move(check)) {}

Pool::~Pool() { stop(); }

// Under the mutex. Fewer threads than wanted are enough; none is not.
bool Pool::start() {
  sigset_t all, before;  // Signals are the main thread's.
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  while (threads_.size() < thread_count_) {
    std::thread thread;
    if (!start_thread(thread, [this] { run(); })) break;
    threads_.push_back(std::move(thread));
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (threads_.empty()) log(LogLevel::alert, "password checks: the system refuses a thread");
  return !threads_.empty();
}

bool Pool::ask(const std::string& id, std::shared_ptr<const auth::PasswordNeed> need,
               std::shared_ptr<Waiting> waiting) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    if (const auto found = jobs_.find(id); found != jobs_.end()) {
      found->second->waiting.push_back(std::move(waiting));
      return true;
    }
    if (line_.size() >= waiting_max) {
      const auto is_for_nobody = [](const auto& one) { return one->is_over(); };
      std::erase_if(line_, [&](const std::shared_ptr<Job>& job) {
        return std::ranges::all_of(job->waiting, is_for_nobody) && jobs_.erase(job->id) > 0;
      });
      if (line_.size() >= waiting_max) return false;
    }
    if (threads_.empty() && !start()) return false;
    auto job = std::make_shared<Job>();
    job->id = id;
    job->need = std::move(need);
    job->waiting.push_back(std::move(waiting));
    jobs_.emplace(id, job);
    line_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void Pool::run() {
  ::pthread_setname_np(::pthread_self(), "passwords");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || !line_.empty(); });
    if (stopped_) return;
    const std::shared_ptr<Job> job = std::move(line_.front());
    line_.pop_front();
    if (std::ranges::all_of(job->waiting, [](const auto& one) { return one->is_over(); })) {
      jobs_.erase(job->id);
      continue;
    }
    lock.unlock();
    const bool matches = check_(*job->need);
    lock.lock();
    jobs_.erase(job->id);
    const auto waiting = std::move(job->waiting);
    if (stopped_) return;
    lock.unlock();
    for (const auto& one : waiting) {
      if (!one->is_over()) one->done(matches);
    }
    lock.lock();
  }
}

void Pool::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    line_.clear();
    threads = std::move(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace keepgate::password

#include "store/file_watcher.h"

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "base/log.h"

namespace keepgate::store {

FileWatcher::~FileWatcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FileWatcher::watch(std::vector<std::shared_ptr<FollowedFile>> files) {
  {
    const std::lock_guard lock(mutex_);
    files_ = std::move(files);
    if (files_.empty() || thread_.joinable()) return;
  }
  // Signals are the main thread's.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void FileWatcher::run() {
  ::pthread_setname_np(::pthread_self(), "followed-files");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto files = files_;
    lock.unlock();
    for (const auto& file : files) {
      const FollowedFile::Refreshed news = file->refresh(Now::read());
      if (news.message.empty()) continue;
      log(news.change == FollowedFile::Change::failed ? LogLevel::error : LogLevel::notice, news.message);
    }
    lock.lock();
    changed_.wait_for(lock, std::chrono::milliseconds(look_every_ms), [this] { return ending_; });
  }
}

}  // namespace keepgate::store

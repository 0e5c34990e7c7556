#include "logs/log_writer.h"

#include <chrono>
#include <csignal>
#include <utility>

#include "base/thread.h"

namespace keepgate::logs {

namespace {
constexpr std::chrono::milliseconds pass_interval{20};
constexpr std::chrono::seconds pass_wait_max{1};
}  // namespace

LogWriter& LogWriter::instance() {
  static LogWriter& writer = *new LogWriter;
  return writer;
}

bool LogWriter::add(const std::shared_ptr<LogBuffer>& buffer) {
  if (!running_ && !start()) return false;
  const std::lock_guard lock(files_mutex_);
  files_.push_back(buffer);
  return true;
}

bool LogWriter::start() {
  stopping_ = false;
  // The thread starts with all signals blocked: they are for other threads, and a SIGPIPE is told by write()'s errno.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  running_ = true;
  if (!start_thread(thread_, [this] { run(); })) running_ = false;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return running_;
}

void LogWriter::remove(const std::shared_ptr<LogBuffer>& buffer) {
  bool last = false;
  {
    const std::lock_guard lock(files_mutex_);
    std::erase(files_, buffer);
    last = files_.empty();
  }
  if (last) stop();
}

void LogWriter::stop() {
  if (!running_) return;
  {
    const std::lock_guard lock(wake_mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
  running_ = false;
}

void LogWriter::pass(bool reopen) {
  if (!running_) {
    drain_all(reopen);
    return;
  }
  if (std::this_thread::get_id() == thread_id_) return;
  std::unique_lock lock(wake_mutex_);
  reopen_ = reopen_ || reopen;
  const std::uint64_t mine = ++asked_;
  wake_.notify_one();
  passed_.wait_for(lock, pass_wait_max, [&] { return done_ >= mine; });
}

void LogWriter::poke(bool urgent) {
  // While it is not asleep the thread comes by within pass_interval on its own, so that on a busy server nobody pays
  // for waking it. It sets asleep_ before it looks at the buffers for the last time, under their locks: either that
  // look sees a new line, or the line's writer, who appended after it, sees asleep_.
  if (!urgent && !asleep_) return;
  const std::lock_guard lock(wake_mutex_);
  urgent_ = true;
  wake_.notify_one();
}

// Returns whether there was anything to do.
bool LogWriter::drain_all(bool reopen) {
  const std::lock_guard draining(drain_mutex_);
  std::vector<std::shared_ptr<LogBuffer>> files;
  {
    const std::lock_guard lock(files_mutex_);
    files = files_;
  }
  bool worked = false;
  for (const std::shared_ptr<LogBuffer>& file : files) {
    if (file->drain()) worked = true;
    if (reopen) file->reopen();
  }
  return worked;
}

// Until the next pass is due: a while if `busy`, else until somebody pokes. Returns whether there shall be one.
bool LogWriter::pause(bool busy) {
  std::unique_lock lock(wake_mutex_);
  const auto wanted = [this] { return urgent_ || stopping_ || asked_ != done_; };
  if (busy) {
    wake_.wait_for(lock, pass_interval, wanted);
  } else {
    wake_.wait(lock, wanted);
  }
  urgent_ = false;
  asleep_ = false;
  return !stopping_ || asked_ != done_;
}

void LogWriter::run() {
  thread_id_ = std::this_thread::get_id();
  bool more = true;
  while (more) {
    std::uint64_t asked = 0;
    bool reopen = false;
    {
      const std::lock_guard lock(wake_mutex_);
      asked = asked_;
      reopen = std::exchange(reopen_, false);
    }
    bool busy = drain_all(reopen);
    {
      const std::lock_guard lock(wake_mutex_);
      done_ = asked;
      passed_.notify_all();
    }
    if (!busy) {
      asleep_ = true;
      busy = drain_all(false);
    }
    more = pause(busy);
  }
}

}  // namespace keepgate::logs

// The one background thread that writes all log files out, and the registry of those files.
//
// Thread rule: every function from any thread, but add(), remove() and stop() only under `lifecycle`.
// INVARIANT: locks are taken in the order lifecycle, drain, files, wake, a buffer's own; the thread never takes
// lifecycle.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "logs/log_buffer.h"

namespace keepgate::logs {

class LogFile;

class LogWriter {
 public:
  // Never destroyed: threads may log while the process ends.
  static LogWriter& instance();

  std::mutex lifecycle;
  std::map<std::string, std::weak_ptr<LogFile>> by_path;  // Guarded by lifecycle.

  [[nodiscard]] bool add(
      const std::shared_ptr<LogBuffer>& buffer);          // Starts the thread with the first; false: it cannot.
  void remove(const std::shared_ptr<LogBuffer>& buffer);  // Ends it with the last.
  void stop();

  // Waits, at most a second, for a pass over all files that starts after this call; then reopens them if asked.
  void pass(bool reopen = false);
  // A buffer got its first bytes, or (`urgent`) more than the pause between passes should let it get.
  void poke(bool urgent);

 private:
  bool start();
  void run();
  bool drain_all(bool reopen);
  bool pause(bool busy);

  std::mutex drain_mutex_;  // Contended only while no thread runs and callers of pass() do its work.
  std::mutex files_mutex_;
  std::vector<std::shared_ptr<LogBuffer>> files_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;    // For the thread.
  std::condition_variable passed_;  // For those who wait for a pass.
  std::uint64_t asked_ = 0;         // Passes asked for and done; guarded by wake_mutex_, as are the next three.
  std::uint64_t done_ = 0;
  bool reopen_ = false;
  bool stopping_ = false;
  bool urgent_ = false;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> running_{false};
  std::atomic<std::thread::id> thread_id_;
  std::thread thread_;
};

}  // namespace keepgate::logs

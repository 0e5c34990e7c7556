// FileWatcher: looks at the files in use several times a second, so that what was taken back is refused within one.
//
// It has a thread of its own, since a big file takes a moment to read and nothing else shall wait for it; there is none
// while no such file is in use. Looking is one stat() a file: it works on every file system, where notifications do
// not. Thread rule: one owner calls watch() and destroys it; the reading happens on its own thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "store/followed_file.h"

namespace keepgate::store {

class FileWatcher {
 public:
  static constexpr int look_every_ms = 250;

  FileWatcher() = default;
  ~FileWatcher();  // Waits for a file that is being read.
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // These files from now on, and no others.
  void watch(std::vector<std::shared_ptr<FollowedFile>> files);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<FollowedFile>> files_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace keepgate::store

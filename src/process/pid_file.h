// The pid file: written for those who send signals, renamed while another binary takes over, removed at the end.
//
// It is locked as long as its process lives, so that a file left over from a crash is told from a true one. Thread
// rule: the main thread's.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace keepgate::process {

class PidFile {
 public:
  PidFile() = default;
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  // Replaces what is there; never follows a link. An empty path is no file, and fine. False was logged.
  bool write(const std::string& path);
  // nginx's ".oldbin", to make room for a new binary's file, and back. False was logged.
  bool step_aside();
  bool step_back();
  void remove();

 private:
  bool is_ours() const;
  std::string path_;
  std::string original_path_;
  int descriptor_ = -1;
};

// The process that wrote the file. Nothing, and `why`, if there is none.
std::optional<pid_t> read_pid_file(const std::string& path, std::string& why);

}  // namespace keepgate::process

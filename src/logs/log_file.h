// A log file written in the background: request threads append to a bounded buffer, one thread writes it out.
//
// Thread rule: write() from any thread; it never waits for the disk. When the disk is slower than the buffer (1 MiB)
// allows, lines are dropped and counted, and the count is said once the file takes lines again. Files are opened with
// O_APPEND | O_NOFOLLOW, mode 0640. Lifetime: shared; the last owner flushes and closes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace keepgate::logs {

class LogFile {
 public:
  static constexpr std::size_t buffer_bytes_max = 1 << 20;

  // One LogFile per path in the process: opening a path again gives the same one (a reload keeps its files).
  // "/dev/stdout", "/dev/stderr", "stderr" are understood. nullptr and `error` when it cannot be opened.
  static std::shared_ptr<LogFile> open(const std::string& path, std::string& error);
  ~LogFile();

  void write(std::string_view line_with_newline);
  void flush();  // Waits until everything written so far is with the kernel.
  const std::string& path() const;
  std::uint64_t dropped_count() const;

  // SIGUSR1: closes and opens every file by its name again (log rotation).
  static void reopen_all();
  static void flush_all();

 private:
  LogFile();
  struct Impl;
  friend struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::logs

// A log file written in the background: request threads append to a bounded buffer, one thread writes it out.
//
// Thread rule: write() from any thread; it never waits for the disk. When the disk is slower than the buffer (1 MiB)
// allows, lines are dropped and counted, and the count is said once the file takes lines again. Files are opened with
// O_APPEND | O_NOFOLLOW, mode 0640. Lifetime: shared; the last owner flushes and closes. The background thread starts
// with the first file and ends with the last one or with the process, so open files after a daemon's fork().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace keepgate::logs {

class LogBuffer;

class LogFile {
 public:
  static constexpr std::size_t buffer_bytes_max = 1 << 20;

  // One LogFile per path in the process: opening a path again gives the same one (a reload keeps its files).
  // "/dev/stdout", "/dev/stderr", "stderr" are understood. nullptr and `error` when it cannot be opened. A named pipe
  // must have a reader.
  static std::shared_ptr<LogFile> open(const std::string& path, std::string& error);
  ~LogFile();

  void write(std::string_view line_with_newline);
  // Waits until everything written so far is with the kernel, but for what a full pipe or disk does not take, and no
  // longer than a second.
  void flush();
  const std::string& path() const;
  std::uint64_t dropped_count() const;

  // SIGUSR1: closes and opens every file by its name again (log rotation). A file that cannot be opened stays with the
  // old one, and that is logged.
  static void reopen_all();
  static void flush_all();

 private:
  explicit LogFile(std::shared_ptr<LogBuffer> buffer);
  std::shared_ptr<LogBuffer> buffer_;  // Shared with the background thread.
};

}  // namespace keepgate::logs

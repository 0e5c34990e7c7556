// The bounded buffer between the threads that write lines and the one that writes them out.
//
// Thread rule: append(), has_unsaved() and dropped_count() from any thread; drain() and reopen() from one at a time.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "logs/log_output.h"

namespace keepgate::logs {

class LogBuffer {
 public:
  LogBuffer(std::string path, LogOutput output) : path_(std::move(path)), output_(std::move(output)) {}

  enum class Appended : std::uint8_t { dropped = 0, yes, first /* the buffer was empty */, half_full };
  Appended append(std::string_view line);

  // Writes out what is there, as far as the output takes it. Returns whether there was anything.
  bool drain();
  void reopen();

  bool has_unsaved() const;
  std::uint64_t dropped_count() const;
  const std::string& path() const { return path_; }

 private:
  bool take_lines();
  LogOutput::Outcome write_out();
  void settle(std::size_t bytes, std::uint64_t lost_lines);
  void say_dropped();
  void say_lost();
  void say_full();

  const std::string path_;
  mutable std::mutex mutex_;
  std::string lines_;              // Guarded by mutex_, as are the next two.
  std::size_t unsaved_bytes_ = 0;  // Of lines_ and taken_ together, so the bound holds for both.
  std::uint64_t dropped_ = 0;

  // Only drain() and reopen() use these.
  LogOutput output_;
  std::string taken_;  // Swapped out of lines_, so that no lock is held while it is written.
  std::size_t taken_written_ = 0;
  std::uint64_t dropped_said_ = 0;
  bool lost_said_ = false;
  bool full_said_ = false;
};

}  // namespace keepgate::logs

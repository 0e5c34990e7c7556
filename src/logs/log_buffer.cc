#include "logs/log_buffer.h"

#include <algorithm>

#include "base/log.h"
#include "logs/log_file.h"

namespace keepgate::logs {

namespace {
constexpr std::size_t half_full_bytes = LogFile::buffer_bytes_max / 2;
constexpr std::size_t kept_capacity = 64 * 1024;  // The larger buffers of a burst are given back.
}  // namespace

LogBuffer::Appended LogBuffer::append(std::string_view line) {
  const std::lock_guard lock(mutex_);
  const std::size_t before = unsaved_bytes_;
  if (line.size() > LogFile::buffer_bytes_max - before) {
    ++dropped_;
    return Appended::dropped;
  }
  lines_.append(line);
  unsaved_bytes_ = before + line.size();
  if (before == 0) return Appended::first;
  return before < half_full_bytes && unsaved_bytes_ >= half_full_bytes ? Appended::half_full : Appended::yes;
}

bool LogBuffer::has_unsaved() const {
  const std::lock_guard lock(mutex_);
  return unsaved_bytes_ > 0;
}

std::uint64_t LogBuffer::dropped_count() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

// Whether taken_ has something to write.
bool LogBuffer::take_lines() {
  if (taken_written_ < taken_.size()) return true;
  taken_.clear();
  taken_written_ = 0;
  if (taken_.capacity() > kept_capacity) taken_.shrink_to_fit();
  const std::lock_guard lock(mutex_);
  taken_.swap(lines_);
  return !taken_.empty();
}

void LogBuffer::settle(std::size_t bytes, std::uint64_t lost_lines) {
  taken_written_ += bytes;
  const std::lock_guard lock(mutex_);
  unsaved_bytes_ -= bytes;
  dropped_ += lost_lines;
}

LogOutput::Outcome LogBuffer::write_out() {
  const std::string_view before = std::string_view(taken_).substr(taken_written_);
  std::string_view rest = before;
  const LogOutput::Outcome outcome = output_.write(rest);
  settle(before.size() - rest.size(), 0);
  if (outcome == LogOutput::Outcome::lost) {
    settle(rest.size(), static_cast<std::uint64_t>(std::count(rest.begin(), rest.end(), '\n')));
  }
  return outcome;
}

bool LogBuffer::drain() {
  // Twice: what an earlier pass could not write comes first. Not more: other files wait too.
  bool worked = false;
  for (int turn = 0; turn < 2 && take_lines(); ++turn) {
    worked = true;
    const LogOutput::Outcome outcome = write_out();
    if (outcome == LogOutput::Outcome::later) break;
    if (outcome == LogOutput::Outcome::no_space) {
      say_full();
      break;
    }
    if (outcome == LogOutput::Outcome::lost) {
      say_lost();
    } else {
      say_dropped();
    }
  }
  return worked;
}

void LogBuffer::reopen() {
  std::string error;
  LogOutput fresh = LogOutput::open(path_, error);
  if (fresh.valid()) {
    output_ = std::move(fresh);
  } else {
    log(LogLevel::error, "log \"", path_, "\" was not reopened: ", error);
  }
}

// The output takes lines: says how many it missed.
void LogBuffer::say_dropped() {
  lost_said_ = full_said_ = false;
  const std::uint64_t total = dropped_count();
  const std::uint64_t fresh = total - dropped_said_;
  dropped_said_ = total;
  if (fresh > 0) log(LogLevel::warn, "log \"", path_, "\" has lost ", fresh, " lines");
}

void LogBuffer::say_full() {
  if (full_said_) return;
  full_said_ = true;
  log(LogLevel::error, "log \"", path_,
      "\": no space left on the device; lines wait, and are lost when there are too many");
}

// Once, until it takes lines again: the message may go to this very file.
void LogBuffer::say_lost() {
  if (lost_said_) return;
  lost_said_ = true;
  log(LogLevel::error, "log \"", path_, "\" takes no more lines");
}

}  // namespace keepgate::logs

// Backlog: bytes that wait for a slow reader, first in first out: in memory up to a bound, then in an unlinked file.
//
// Nothing is allocated before the first push(). Thread rule: one worker's. Bounds: `memory_bytes_max` and
// `file_bytes_max`, each exceeded by at most what one push() brings; full() tells when to stop pushing. A file that
// cannot be made or written is a smaller bound, not a loss: the bytes stay in memory and full() says so.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/buffer.h"
#include "pipeline/spill_file.h"

namespace keepgate::pipeline {

class Backlog {
 public:
  // `file_bytes_max` 0: no file.
  Backlog(BufferPool& buffers, std::size_t memory_bytes_max, std::uint64_t file_bytes_max, const std::string& folder)
      : buffers_(buffers), folder_(folder), memory_bytes_max_(memory_bytes_max), file_bytes_max_(file_bytes_max) {}

  void push(std::string_view bytes);
  bool empty() const { return bytes_ == 0; }
  bool full() const { return queues_ && memory_bytes_ >= memory_bytes_max_ && !can_spill(); }
  std::uint64_t bytes() const { return bytes_; }
  bool spilled() const { return file_.open(); }  // At least once.

  // The next bytes in one piece. Empty when there are none, or when the file cannot be read: see empty().
  std::string_view front();
  void pop(std::size_t bytes);  // At most what front() gave.
  void clear();

 private:
  struct Segment {
    Buffer buffer;
    std::size_t begin = 0, end = 0;
  };
  using Queue = std::deque<Segment>;
  struct Queues {
    Queue before, after;  // What was pushed before the bytes in the file, and after them.
  };

  bool can_spill() const { return !file_failed_ && file_.size() < file_bytes_max_ && queues_->after.empty(); }
  bool file_has_more() const { return file_read_ < file_.size(); }
  bool spill(std::string_view bytes);
  void remember(Queue& queue, std::string_view bytes);
  void file_is_empty();

  BufferPool& buffers_;
  const std::string& folder_;
  std::size_t memory_bytes_max_;
  std::uint64_t file_bytes_max_;
  std::optional<Queues> queues_;  // A deque allocates when it is made.
  std::size_t memory_bytes_ = 0;
  std::uint64_t bytes_ = 0;
  SpillFile file_;
  std::uint64_t file_read_ = 0;  // How much of the file is in window_ or was taken.
  bool file_failed_ = false;
  Segment window_;  // The part of the file that is next.
};

}  // namespace keepgate::pipeline

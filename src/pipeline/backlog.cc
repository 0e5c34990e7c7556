#include "pipeline/backlog.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace keepgate::pipeline {

void Backlog::remember(Queue& queue, std::string_view bytes) {
  memory_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (queue.empty() || queue.back().end == queue.back().buffer.capacity()) {
      queue.push_back({buffers_.take(BufferPool::body_bytes), 0, 0});
    }
    Segment& last = queue.back();
    const std::size_t count = std::min(bytes.size(), last.buffer.capacity() - last.end);
    std::memcpy(last.buffer.data() + last.end, bytes.data(), count);
    last.end += count;
    bytes.remove_prefix(count);
  }
}

bool Backlog::spill(std::string_view bytes) {
  if (!can_spill()) return false;
  if (!file_.open()) {
    auto made = SpillFile::create(folder_);
    if (!made) {
      log(LogLevel::crit, made.error().detail, "; the answer goes on at the client's pace");
      file_failed_ = true;
      return false;
    }
    file_ = std::move(*made);
  }
  const auto written = file_.append(bytes);
  if (written) return true;
  log(LogLevel::crit, written.error().detail, "; the answer goes on at the client's pace");
  file_failed_ = true;
  return false;
}

// INVARIANT: the order of the bytes is before, window_, the rest of the file, after.
void Backlog::push(std::string_view bytes) {
  if (!queues_) queues_.emplace();
  bytes_ += bytes.size();
  const bool behind_file = file_has_more() || window_.begin < window_.end;
  if (!behind_file && memory_bytes_ + bytes.size() <= memory_bytes_max_) return remember(queues_->before, bytes);
  if (spill(bytes)) return;
  remember(behind_file ? queues_->after : queues_->before, bytes);
}

std::string_view Backlog::front() {
  if (!queues_) return {};
  if (!queues_->before.empty()) {
    const Segment& first = queues_->before.front();
    return {first.buffer.data() + first.begin, first.end - first.begin};
  }
  if (window_.begin == window_.end && file_has_more()) {
    if (!window_.buffer) window_.buffer = buffers_.take(BufferPool::body_bytes);
    const auto got = file_.read(file_read_, window_.buffer.data(), window_.buffer.capacity());
    if (!got) {
      log(LogLevel::crit, got.error().detail);
      return {};
    }
    window_.begin = 0;
    window_.end = *got;
    file_read_ += *got;
  }
  return {window_.buffer.data() + window_.begin, window_.end - window_.begin};
}

void Backlog::pop(std::size_t bytes) {
  bytes_ -= bytes;
  if (!queues_->before.empty()) {
    Segment& first = queues_->before.front();
    first.begin += bytes;
    memory_bytes_ -= bytes;
    if (first.begin == first.end) queues_->before.pop_front();
    return;
  }
  window_.begin += bytes;
  if (window_.begin == window_.end && !file_has_more()) file_is_empty();
}

// The disk is given back as soon as the reader has caught up.
void Backlog::file_is_empty() {
  file_.clear();
  file_read_ = 0;
  window_ = {};
  queues_->before.swap(queues_->after);
}

void Backlog::clear() {
  queues_.reset();
  file_ = {};
  file_read_ = 0;
  window_ = {};
  bytes_ = memory_bytes_ = 0;
}

}  // namespace keepgate::pipeline

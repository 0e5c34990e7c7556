#include "pipeline/stored_body.h"

#include <algorithm>
#include <cstring>

namespace keepgate::pipeline {

// Memory first, in the order of arrival: once a byte went to the file, all that follow do.
Result<void> StoredBody::append(std::string_view bytes) {
  const std::size_t kept = std::min(bytes.size(), memory_bytes_max_ - memory_bytes_);
  if (kept > 0) {
    if (!memory_) {
      memory_ = buffers_.take(memory_bytes_max_ <= BufferPool::head_bytes
                                  ? BufferPool::head_bytes
                                  : std::max(memory_bytes_max_, BufferPool::body_bytes));
    }
    std::memcpy(memory_.data() + memory_bytes_, bytes.data(), kept);
    memory_bytes_ += kept;
    bytes.remove_prefix(kept);
  }
  if (bytes.empty()) return {};
  if (!file_.open()) {
    auto made = SpillFile::create(folder_);
    if (!made) return std::unexpected(std::move(made.error()));
    file_ = std::move(*made);
  }
  return file_.append(bytes);
}

Result<std::string_view> StoredBody::piece(std::uint64_t offset) {
  if (offset < memory_bytes_) {
    return std::string_view(memory_.data() + offset, memory_bytes_ - static_cast<std::size_t>(offset));
  }
  if (!file_.open()) return std::string_view();
  if (!window_) window_ = buffers_.take(BufferPool::body_bytes);
  const auto got = file_.read(offset - memory_bytes_, window_.data(), window_.capacity());
  if (!got) return std::unexpected(got.error());
  return std::string_view(window_.data(), *got);
}

}  // namespace keepgate::pipeline

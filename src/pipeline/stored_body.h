// StoredBody: bytes of one message, kept in order so that they can be read more than once.
//
// The first ones stay in memory, the rest in an unlinked file: a slow or huge upload costs bounded memory and occupies
// no upstream (proxy_request_buffering on). Thread rule: its worker's. Lifetime: a piece is valid until the next call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "pipeline/buffer.h"
#include "pipeline/spill_file.h"

namespace keepgate::pipeline {

class StoredBody {
 public:
  // Up to `memory_bytes_max` in memory, what comes after it in a file in `folder`.
  StoredBody(BufferPool& buffers, std::size_t memory_bytes_max, const std::string& folder)
      : buffers_(buffers), folder_(folder), memory_bytes_max_(memory_bytes_max) {}

  // Errors: io, when the file cannot be made or written.
  Result<void> append(std::string_view bytes);
  std::uint64_t size() const { return memory_bytes_ + file_.size(); }
  // The bytes from `offset` on, as many as are at hand; empty at the end.
  Result<std::string_view> piece(std::uint64_t offset);
  bool spilled() const { return file_.open(); }

 private:
  BufferPool& buffers_;
  const std::string& folder_;
  std::size_t memory_bytes_max_;
  Buffer memory_;
  std::size_t memory_bytes_ = 0;
  SpillFile file_;
  Buffer window_;  // What piece() read from the file.
};

}  // namespace keepgate::pipeline

// SpillFile: where the part of a body waits that does not fit into memory: a file without a name, gone with its last
// descriptor.
//
// Reading and writing go through the page cache and do not wait for the disk in the usual case; nothing here is ever
// synced. Thread rule: one worker's. Bounds are the caller's. Errors: io (disk full, no such folder, no rights).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace keepgate::pipeline {

class SpillFile {
 public:
  SpillFile() = default;
  SpillFile(SpillFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), size_(std::exchange(other.size_, 0)) {}
  SpillFile& operator=(SpillFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SpillFile();

  // In `folder`, which must exist. Mode 0600 and without a name from the beginning.
  static Result<SpillFile> create(const std::string& folder);

  bool open() const { return descriptor_ >= 0; }
  std::uint64_t size() const { return size_; }
  // All of it or an error; after an error size() has not changed.
  Result<void> append(std::string_view bytes);
  // What is there from `offset` on, at most `bytes_max`; 0 at the end.
  Result<std::size_t> read(std::uint64_t offset, char* out, std::size_t bytes_max) const;
  // Gives the disk back; the file can be used again.
  void clear();

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace keepgate::pipeline

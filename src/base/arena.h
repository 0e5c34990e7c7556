// A bump allocator for the short-lived strings of one request.
//
// Everything it hands out lives until reset() or destruction; there is no free. The first block is kept over resets,
// so a warm request allocates nothing. Thread rule: one owner. Bound: the caller's inputs are bounded; the arena adds
// at most one block of slack.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace keepgate {

class Arena {
 public:
  static constexpr std::size_t block_bytes = 4096;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` of uninitialised memory aligned for char data.
  char* allocate(std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(end_ - next_)) return allocate_slow(bytes);
    char* start = next_;
    next_ += bytes;
    return start;
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* start = allocate(text.size());
    std::memcpy(start, text.data(), text.size());
    return {start, text.size()};
  }

  // One string out of several.
  template <typename... Views>
  std::string_view join(const Views&... pieces) {
    const std::size_t total = (std::string_view(pieces).size() + ... + 0);
    char* start = allocate(total);
    char* at = start;
    const auto put = [&](std::string_view piece) {
      if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
      at += piece.size();
    };
    (put(std::string_view(pieces)), ...);
    return {start, total};
  }

  // Forgets everything. Keeps the first block.
  void reset() {
    extra_.clear();
    next_ = first_.get();
    end_ = first_ ? first_.get() + block_bytes : nullptr;
  }

 private:
  char* allocate_slow(std::size_t bytes);

  char* next_ = nullptr;
  char* end_ = nullptr;
  std::unique_ptr<char[]> first_;
  std::vector<std::unique_ptr<char[]>> extra_;
};

}  // namespace keepgate

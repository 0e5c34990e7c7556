// Histogram of latencies: 64 steps to each power of two of nanoseconds, so that a percentile is right within 1.6 %.
//
// Thread rule: one thread. Fixed memory (32 KiB), no allocation.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace keepgate::bench {

class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[std::min(slot_of(nanoseconds), counts_.size() - 1)];
    ++total_;
    max_ = std::max(max_, nanoseconds);
  }

  std::uint64_t count() const { return total_; }
  std::uint64_t max() const { return max_; }

  // The upper edge of the slot that holds the given share (0 to 1) of all values; 0 without values.
  std::uint64_t percentile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(total_) * share);
    std::uint64_t seen = 0;
    for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
      seen += counts_[slot];
      if (seen > wanted) return std::min(upper_edge_of(slot), max_);
    }
    return max_;
  }

 private:
  static constexpr unsigned step_bits = 6;
  static constexpr std::uint64_t steps = 1U << step_bits;

  static std::size_t slot_of(std::uint64_t value) {
    if (value < steps) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - step_bits - 1;
    return static_cast<std::size_t>(shift * steps + (value >> shift));
  }
  static std::uint64_t upper_edge_of(std::size_t slot) {
    if (slot < steps) return slot;
    const std::uint64_t shift = slot / steps - 1;
    return ((slot % steps + steps + 1) << shift) - 1;
  }

  std::array<std::uint64_t, 64 * 64> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace keepgate::bench

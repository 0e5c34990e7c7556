// The keyed 128-bit hash that stands for a key in the memory of a zone. Thread rule: plain value.
#pragma once

#include <cstdint>

namespace keepgate::limit {

struct KeyHash {
  std::uint64_t first = 0, second = 0;
  bool operator==(const KeyHash&) const = default;
};

}  // namespace keepgate::limit

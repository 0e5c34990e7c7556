#include "route/split_clients.h"

#include <utility>

namespace keepgate::route {

// Austin Appleby's MurmurHash2 with the seed 0 ^ length, as nginx uses it; bytes are read in little-endian order.
std::uint32_t murmur_hash2(std::string_view text) {
  constexpr std::uint32_t multiplier = 0x5bd1e995;
  const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(text[at])}; };
  auto hash = static_cast<std::uint32_t>(text.size());
  std::size_t at = 0;
  for (; text.size() - at >= 4; at += 4) {
    std::uint32_t word = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
    word *= multiplier;
    word ^= word >> 24;
    word *= multiplier;
    hash = hash * multiplier ^ word;
  }
  const std::size_t rest = text.size() - at;
  if (rest == 3) hash ^= byte(at + 2) << 16;
  if (rest >= 2) hash ^= byte(at + 1) << 8;
  if (rest >= 1) hash = (hash ^ byte(at)) * multiplier;
  hash ^= hash >> 13;
  hash *= multiplier;
  return hash ^ hash >> 15;
}

bool SplitClients::add(std::uint32_t share, std::string value) {
  if (share == 0) {
    sum_ = whole;
    groups_.push_back({0, std::move(value)});
    return true;
  }
  sum_ += share;
  if (sum_ > whole) return false;
  // As nginx: each bound is that of the group before it and its own share of all hashes, rounded down.
  last_ += static_cast<std::uint32_t>(std::uint64_t{share} * UINT32_MAX / whole);
  groups_.push_back({last_, std::move(value)});
  return true;
}

const std::string& SplitClients::lookup(std::string_view text) const {
  static const std::string none;
  const std::uint32_t hash = murmur_hash2(text);
  for (const Group& group : groups_) {
    if (hash < group.last || group.last == 0) return group.value;
  }
  return none;
}

}  // namespace keepgate::route

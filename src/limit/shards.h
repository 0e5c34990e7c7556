// The memory of a zone in shards: a table and a lock each, so that workers seldom wait for one another.
//
// Keys are hashed with secrets: nobody can aim keys at one shard, one chain or one another. Thread rule: hash() and
// of() from any thread; a shard's table only under its lock. Memory: all of it is taken at the start.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "crypto/digest.h"
#include "limit/key_hash.h"

namespace keepgate::limit {

template <typename Table>
class Shards {
 public:
  static constexpr std::size_t count_max = 16;
  static constexpr std::size_t bytes_min = 64 * 1024;  // Smaller shards would fill unevenly.

  // On its own cache lines, so that workers do not disturb each other through neighbouring locks.
  struct alignas(128) Shard {
    explicit Shard(std::size_t bytes) : table(bytes) {}
    std::mutex mutex;
    Table table;
  };

  explicit Shards(std::size_t zone_bytes) {
    const std::size_t count = std::bit_floor(std::clamp<std::size_t>(zone_bytes / bytes_min, 1, count_max));
    for (std::size_t i = 0; i < count; ++i) all_.push_back(std::make_unique<Shard>(zone_bytes / count));
  }

  KeyHash hash(std::string_view key) const {
    return {crypto::siphash13(first_key_, key), crypto::siphash13(second_key_, key)};
  }
  Shard& of(const KeyHash& key) const { return *all_[key.second & (all_.size() - 1)]; }
  std::size_t entry_count() const {
    std::size_t count = 0;
    for (const auto& shard : all_) {
      const std::lock_guard lock(shard->mutex);
      count += shard->table.size();
    }
    return count;
  }

 private:
  crypto::SipKey first_key_ = crypto::SipKey::random();
  crypto::SipKey second_key_ = crypto::SipKey::random();
  std::vector<std::unique_ptr<Shard>> all_;  // A power of two.
};

}  // namespace keepgate::limit

// A table of counters of fixed size: how many requests of each key are under way, for one shard of a limit_conn zone.
//
// An entry lives as long as its count is not zero: nothing is evicted, a full table takes no new key. It stores hashes,
// never keys. Thread rule: one at a time, the shard's lock is the caller's. Memory: taken at the start, never grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "limit/key_hash.h"

namespace keepgate::limit {

class CountTable {
 public:
  explicit CountTable(std::size_t bytes);

  std::size_t capacity() const { return capacity_; }
  std::size_t size() const { return size_; }
  std::uint32_t count(const KeyHash& key) const;

  // One more, if that makes no more than `most` and there is room for the key.
  bool add(const KeyHash& key, std::uint32_t most);
  // One less. INVARIANT: an add() of the same key came before.
  void remove(const KeyHash& key);

 private:
  using Index = std::uint32_t;
  static constexpr Index none = 0;
  struct Slot {
    KeyHash key;
    std::uint32_t count;
    Index chain;
  };

  Index& chain_head(const KeyHash& key) { return heads_[key.first & (heads_.size() - 1)]; }
  Index find(const KeyHash& key) const;
  Index take_slot();

  std::size_t capacity_;
  std::size_t size_ = 0;
  Index unused_ = 1;          // Slots from here on were never used. Slot 0 stands for none.
  Index first_free_ = none;   // Used before and given back, linked through `chain`.
  std::vector<Index> heads_;  // Chains of the hash table; a power of two.
  std::unique_ptr<Slot[]> slots_;
};

}  // namespace keepgate::limit

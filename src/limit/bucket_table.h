// A table of leaky buckets of fixed size: the states of one shard of a limit_req zone.
//
// It stores no keys, only their 128-bit keyed hashes: every key costs the same, however long, and no client's address
// or name stays in memory. Thread rule: one at a time, the shard's lock is the caller's. Memory: all of it is taken at
// the start and never grows; pages that were never used are never touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "limit/key_hash.h"

namespace keepgate::limit {

// One key's bucket. `excess_milli` is what had not leaked out at `last_ms`, in thousandths of a request.
struct Bucket {
  std::uint64_t excess_milli = 0;
  std::int64_t last_ms = 0;

  // nginx's clock rule: time that steps back a little stands still; a bigger step lets one millisecond pass.
  std::int64_t elapsed_ms(std::int64_t now_ms) const;
  // The excess if one more request came now: max(0, excess − rate × ms / 1000 + 1000).
  std::uint64_t excess_with_request(std::int64_t now_ms, std::uint64_t rate_milli) const;
  // Charges a request. `last_ms` stays when no time passed.
  void charge(std::int64_t now_ms, std::uint64_t excess_milli_now);
};

class BucketTable {
 public:
  using Index = std::uint32_t;
  static constexpr Index none = 0;

  explicit BucketTable(std::size_t bytes);

  std::size_t capacity() const { return capacity_; }
  std::size_t size() const { return size_; }

  Index find(const KeyHash& key) const;
  Bucket& bucket(Index index) { return slots_[index].bucket; }
  // Marks the entry as the most recently used one, and as busy if its bucket is not empty.
  void touch(Index index);
  // A new, empty bucket for a key that is not there. Makes room if it must; other indexes become invalid.
  Index insert(const KeyHash& key, std::int64_t now_ms, std::uint64_t rate_milli);

 private:
  // Idle entries have an empty bucket: losing one forgets a single request. Busy ones hold what a limit is about.
  // They are kept in separate lists so that a flood of new keys displaces other new keys, not the clients being
  // limited.
  enum List : std::uint32_t { idle = 0, busy, list_count };
  struct Ends {
    Index newest = none, oldest = none;
    std::size_t size = 0;
  };
  struct Slot {
    KeyHash key;
    Bucket bucket;
    Index newer, older, chain;
    List list;
  };

  Index& chain_head(const KeyHash& key) { return heads_[key.first & (heads_.size() - 1)]; }
  void link(Index index, List list);
  void unlink(Index index);
  void erase(Index index);
  Index take_slot();
  bool erase_if_drained(Index index, std::int64_t now_ms, std::uint64_t rate_milli);
  void make_room(std::int64_t now_ms, std::uint64_t rate_milli);

  std::size_t capacity_;
  std::size_t size_ = 0;
  Index unused_ = 1;          // Slots from here on were never used. Slot 0 stands for none.
  Index first_free_ = none;   // Used before and given back, linked through `chain`.
  std::vector<Index> heads_;  // Chains of the hash table; a power of two.
  std::unique_ptr<Slot[]> slots_;
  Ends lists_[list_count];
};

}  // namespace keepgate::limit

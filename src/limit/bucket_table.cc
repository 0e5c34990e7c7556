#include "limit/bucket_table.h"

#include <algorithm>
#include <bit>

namespace keepgate::limit {

namespace {

constexpr std::uint64_t request_milli = 1000;

// rate × ms / 1000, or as much as there can be.
std::uint64_t leaked_milli(std::uint64_t rate_milli, std::int64_t elapsed_ms) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(rate_milli, static_cast<std::uint64_t>(elapsed_ms), &product)) return UINT64_MAX;
  return product / 1000;
}

}  // namespace

std::int64_t Bucket::elapsed_ms(std::int64_t now_ms) const {
  const auto elapsed =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(now_ms) - static_cast<std::uint64_t>(last_ms));
  if (elapsed < -60'000) return 1;
  return std::max<std::int64_t>(elapsed, 0);
}

std::uint64_t Bucket::excess_with_request(std::int64_t now_ms, std::uint64_t rate_milli) const {
  const std::uint64_t leaked = leaked_milli(rate_milli, elapsed_ms(now_ms));
  const std::uint64_t filled = excess_milli + request_milli;
  return filled > leaked ? filled - leaked : 0;
}

void Bucket::charge(std::int64_t now_ms, std::uint64_t excess_milli_now) {
  if (elapsed_ms(now_ms) != 0) last_ms = now_ms;
  excess_milli = excess_milli_now;
}

BucketTable::BucketTable(std::size_t bytes)
    : capacity_(std::clamp<std::size_t>(bytes / (sizeof(Slot) + sizeof(Index)), 1, UINT32_MAX - 1)),
      heads_(std::bit_floor(capacity_), none),
      slots_(std::make_unique_for_overwrite<Slot[]>(capacity_ + 1)) {}

BucketTable::Index BucketTable::find(const KeyHash& key) const {
  Index index = heads_[key.first & (heads_.size() - 1)];
  while (index != none && !(slots_[index].key == key)) index = slots_[index].chain;
  return index;
}

void BucketTable::link(Index index, List list) {
  Ends& ends = lists_[list];
  Slot& slot = slots_[index];
  slot.list = list;
  slot.newer = none;
  slot.older = ends.newest;
  (ends.newest == none ? ends.oldest : slots_[ends.newest].newer) = index;
  ends.newest = index;
  ++ends.size;
}

void BucketTable::unlink(Index index) {
  const Slot& slot = slots_[index];
  Ends& ends = lists_[slot.list];
  (slot.newer == none ? ends.newest : slots_[slot.newer].older) = slot.older;
  (slot.older == none ? ends.oldest : slots_[slot.older].newer) = slot.newer;
  --ends.size;
}

void BucketTable::touch(Index index) {
  const Slot& slot = slots_[index];
  const List list = slot.bucket.excess_milli > 0 ? busy : idle;
  if (slot.list == list && lists_[list].newest == index) return;
  unlink(index);
  link(index, list);
}

void BucketTable::erase(Index index) {
  unlink(index);
  Index* at = &chain_head(slots_[index].key);
  while (*at != index) at = &slots_[*at].chain;
  *at = slots_[index].chain;
  slots_[index].chain = first_free_;
  first_free_ = index;
  --size_;
}

// A bucket whose next request would find it empty says no more than no bucket at all.
bool BucketTable::erase_if_drained(Index index, std::int64_t now_ms, std::uint64_t rate_milli) {
  if (index == none || slots_[index].bucket.excess_with_request(now_ms, rate_milli) > 0) return false;
  erase(index);
  return true;
}

// Up to two entries that nothing is lost with go at each insertion, as in nginx, so that space comes back unforced.
// INVARIANT: busy entries are displaced only once idle ones hold less than a quarter of the table. With plain LRU a
// limited client could flood the zone with other keys until its own bucket is forgotten, and start afresh.
void BucketTable::make_room(std::int64_t now_ms, std::uint64_t rate_milli) {
  erase_if_drained(lists_[busy].oldest, now_ms, rate_milli);
  erase_if_drained(lists_[idle].oldest, now_ms, rate_milli);
  if (size_ < capacity_) return;
  const bool from_idle = lists_[busy].size == 0 || lists_[idle].size > capacity_ / 4;
  erase(lists_[from_idle ? idle : busy].oldest);
}

BucketTable::Index BucketTable::take_slot() {
  if (first_free_ == none) return unused_++;
  const Index index = first_free_;
  first_free_ = slots_[index].chain;
  return index;
}

BucketTable::Index BucketTable::insert(const KeyHash& key, std::int64_t now_ms, std::uint64_t rate_milli) {
  make_room(now_ms, rate_milli);
  const Index index = take_slot();
  Index& head = chain_head(key);
  Slot& slot = slots_[index];
  slot.key = key;
  slot.bucket = {0, now_ms};
  slot.chain = head;
  head = index;
  ++size_;
  link(index, idle);
  return index;
}

}  // namespace keepgate::limit

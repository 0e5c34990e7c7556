#include "limit/count_table.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace keepgate::limit {

CountTable::CountTable(std::size_t bytes)
    : capacity_(std::clamp<std::size_t>(bytes / (sizeof(Slot) + sizeof(Index)), 1, UINT32_MAX - 1)),
      heads_(std::bit_floor(capacity_), none),
      slots_(std::make_unique_for_overwrite<Slot[]>(capacity_ + 1)) {}

CountTable::Index CountTable::find(const KeyHash& key) const {
  Index index = heads_[key.first & (heads_.size() - 1)];
  while (index != none && !(slots_[index].key == key)) index = slots_[index].chain;
  return index;
}

std::uint32_t CountTable::count(const KeyHash& key) const {
  const Index index = find(key);
  return index == none ? 0 : slots_[index].count;
}

CountTable::Index CountTable::take_slot() {
  if (first_free_ == none) return unused_++;
  const Index index = first_free_;
  first_free_ = slots_[index].chain;
  return index;
}

bool CountTable::add(const KeyHash& key, std::uint32_t most) {
  if (const Index found = find(key); found != none) {
    if (slots_[found].count >= most) return false;
    ++slots_[found].count;
    return true;
  }
  if (most == 0 || size_ == capacity_) return false;
  const Index index = take_slot();
  Index& head = chain_head(key);
  slots_[index] = {key, 1, head};
  head = index;
  ++size_;
  return true;
}

void CountTable::remove(const KeyHash& key) {
  Index* at = &chain_head(key);
  while (*at != none && !(slots_[*at].key == key)) at = &slots_[*at].chain;
  const Index index = *at;
  KG_ASSERT(index != none);
  if (--slots_[index].count > 0) return;
  *at = slots_[index].chain;
  slots_[index].chain = first_free_;
  first_free_ = index;
  --size_;
}

}  // namespace keepgate::limit

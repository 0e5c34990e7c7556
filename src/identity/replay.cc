#include "identity/replay.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "crypto/digest.h"

namespace keepgate::identity {

namespace {

constexpr std::size_t shards_max = 16;
constexpr std::size_t shard_entries_min = 1024;  // Small stores have fewer shards, so that their bound is exact.
constexpr std::size_t first_capacity = 64;

// 128 bits under a random key: two ids that meet by chance are rarer than a broken machine, and then the second is
// refused.
struct Fingerprint {
  std::uint64_t high = 0, low = 0;
  bool operator==(const Fingerprint&) const = default;
};

struct Slot {
  Fingerprint id;
  std::int64_t expires_s = 0;  // 0: free. INVARIANT: no live entry has 0, for it would have expired in 1970.
};

// Open addressing with linear probing; at most three quarters full. Nothing is removed singly: expired entries go when
// the table is rebuilt, and each rebuild waits until one of them has expired.
class Shard {
 public:
  explicit Shard(std::size_t entries_max) : entries_max_(entries_max) {}

  ReplayStore::Use consume(const Fingerprint& id, std::int64_t expires_s, std::int64_t now_s) {
    const std::lock_guard lock(mutex_);
    if (Slot* slot = find(id); slot != nullptr && slot->expires_s != 0) {
      if (slot->expires_s > now_s) return ReplayStore::Use::replayed;
      slot->expires_s = expires_s;
      earliest_s_ = std::min(earliest_s_, expires_s);
      return ReplayStore::Use::first;
    }
    if (!make_room(now_s)) return ReplayStore::Use::full;
    *find(id) = {id, expires_s};
    earliest_s_ = std::min(earliest_s_, expires_s);
    ++used_;
    return ReplayStore::Use::first;
  }

  std::size_t used() const {
    const std::lock_guard lock(mutex_);
    return used_;
  }

 private:
  // The slot of `id`, or the free one where it belongs; nullptr only while the table is empty.
  Slot* find(const Fingerprint& id) {
    if (slots_.empty()) return nullptr;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = id.low & mask;; i = (i + 1) & mask) {
      if (slots_[i].expires_s == 0 || slots_[i].id == id) return &slots_[i];
    }
  }

  bool crowded() const { return (used_ + 1) * 4 > slots_.size() * 3; }

  bool make_room(std::int64_t now_s) {
    if (used_ < entries_max_ && !crowded()) return true;
    if (earliest_s_ <= now_s) rebuild(slots_.size(), now_s);
    if (used_ >= entries_max_) return false;
    // Growing at half full, not at three quarters, keeps rebuilds rare when entries come and go.
    if (used_ * 2 >= slots_.size()) rebuild(std::max(slots_.size() * 2, first_capacity), now_s);
    return true;
  }

  void rebuild(std::size_t capacity, std::int64_t now_s) {
    std::vector<Slot> before(capacity);
    before.swap(slots_);
    used_ = 0;
    earliest_s_ = std::numeric_limits<std::int64_t>::max();
    for (const Slot& slot : before) {
      if (slot.expires_s == 0 || slot.expires_s <= now_s) continue;
      *find(slot.id) = slot;
      earliest_s_ = std::min(earliest_s_, slot.expires_s);
      ++used_;
    }
  }

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;  // A power of two of them, or none.
  std::size_t used_ = 0;
  const std::size_t entries_max_;
  std::int64_t earliest_s_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace

struct ReplayStore::Impl {
  crypto::SipKey high_key = crypto::SipKey::random(), low_key = crypto::SipKey::random();
  std::vector<std::unique_ptr<Shard>> shards;
};

ReplayStore::ReplayStore(std::size_t entries_max) : impl_(std::make_unique<Impl>()) {
  const std::size_t count = std::clamp<std::size_t>(entries_max / shard_entries_min, 1, shards_max);
  for (std::size_t i = 0; i < count; ++i) {
    impl_->shards.push_back(std::make_unique<Shard>(entries_max / count + (i < entries_max % count ? 1 : 0)));
  }
}

ReplayStore::~ReplayStore() = default;

ReplayStore::Use ReplayStore::consume(std::string_view txn, std::int64_t expires_s, std::int64_t now_s) {
  if (expires_s <= now_s || expires_s <= 0) return Use::replayed;
  const Fingerprint id{crypto::siphash13(impl_->high_key, txn), crypto::siphash13(impl_->low_key, txn)};
  return impl_->shards[id.high % impl_->shards.size()]->consume(id, expires_s, now_s);
}

std::size_t ReplayStore::entry_count() const {
  std::size_t count = 0;
  for (const auto& shard : impl_->shards) count += shard->used();
  return count;
}

}  // namespace keepgate::identity

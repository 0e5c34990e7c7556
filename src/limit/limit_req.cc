#include "limit/limit_req.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "limit/bucket_table.h"
#include "limit/shards.h"

namespace keepgate::limit {

namespace {
using Shard = Shards<BucketTable>::Shard;
}

struct Zone::Impl {
  explicit Impl(std::size_t bytes) : shards(bytes) {}
  Shards<BucketTable> shards;
};

struct ZoneAccess {
  static KeyHash hash(const Zone& zone, std::string_view key) { return zone.impl_->shards.hash(key); }
  static Shard& shard(const Zone& zone, const KeyHash& key) { return zone.impl_->shards.of(key); }
};

Zone::Zone(std::string name, std::size_t size_bytes, std::uint64_t rate_milli, route::Template key)
    : name_(std::move(name)),
      size_bytes_(std::max(size_bytes, size_bytes_min)),
      rate_milli_(std::max<std::uint64_t>(rate_milli, 1)),
      key_(std::move(key)),
      impl_(std::make_unique<Impl>(size_bytes_)) {}

Zone::~Zone() = default;

std::size_t Zone::entry_count() const { return impl_->shards.entry_count(); }

std::string_view name_of(LimitStatus status) {
  constexpr std::string_view names[] = {"", "PASSED", "DELAYED", "REJECTED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN"};
  return names[static_cast<std::size_t>(status)];
}

namespace {

// Whole requests as thousandths, without overflow.
std::uint64_t milli(std::uint64_t requests) { return std::min(requests, UINT64_MAX / 4000) * 1000; }

// The milliseconds in which at least `excess_milli` leaks out, rounded up or down.
std::uint64_t leak_ms(std::uint64_t excess_milli, std::uint64_t rate_milli, bool round_up) {
  constexpr std::uint64_t scalable_max = UINT64_MAX / 2000;
  return (std::min(excess_milli, scalable_max) * 1000 + (round_up ? rate_milli - 1 : 0)) / rate_milli;
}

// One limit that applies to this request: its key is neither empty nor too long.
struct Applied {
  const Limit* limit = nullptr;
  Shard* shard = nullptr;
  KeyHash key;
  BucketTable::Index found = BucketTable::none;
  std::uint64_t excess_milli = 0;  // With this request.

  std::uint64_t rate() const { return limit->zone->rate_milli(); }
  std::uint64_t burst_milli() const { return milli(limit->burst); }
  bool rejects() const { return excess_milli > burst_milli(); }
  std::uint64_t remaining() const { return rejects() ? 0 : (burst_milli() - excess_milli) / 1000; }
  std::uint64_t delay_ms() const {
    const std::uint64_t undelayed = milli(limit->delay);
    return excess_milli <= undelayed ? 0 : leak_ms(excess_milli - undelayed, rate(), false);
  }

  void look_up(std::int64_t now_ms);
  void charge(std::int64_t now_ms, bool found_is_valid);
  std::uint64_t retry_after_ms(std::int64_t now_ms) const;
};

void Applied::look_up(std::int64_t now_ms) {
  BucketTable& buckets = shard->table;
  found = buckets.find(key);
  if (found == BucketTable::none) return;  // A new key starts at 0.
  excess_milli = buckets.bucket(found).excess_with_request(now_ms, rate());
  buckets.touch(found);  // Rejected requests too keep their bucket from being forgotten.
}

// `found_is_valid`: nothing was inserted since look_up.
void Applied::charge(std::int64_t now_ms, bool found_is_valid) {
  BucketTable& buckets = shard->table;
  if (!found_is_valid) {
    found = buckets.find(key);
    excess_milli = found == BucketTable::none ? 0 : buckets.bucket(found).excess_with_request(now_ms, rate());
  }
  if (found == BucketTable::none) {
    buckets.insert(key, now_ms, rate());
    return;
  }
  buckets.bucket(found).charge(now_ms, excess_milli);
  buckets.touch(found);
}

// When a request would pass if no other came: the exact inverse of the bucket's arithmetic.
std::uint64_t Applied::retry_after_ms(std::int64_t now_ms) const {
  const Bucket& bucket = shard->table.bucket(found);
  const std::uint64_t over_milli = bucket.excess_milli + 1000 - burst_milli();  // Positive, or it would not reject.
  const std::uint64_t since_last_ms = leak_ms(over_milli, rate(), true);
  const auto elapsed_ms = static_cast<std::uint64_t>(bucket.elapsed_ms(now_ms));
  return since_last_ms > elapsed_ms ? since_last_ms - elapsed_ms : 1;
}

// The limits of one request with all their shards locked, so that none is charged if any rejects, whatever other
// threads do. Locks are taken in the order of their addresses: no two requests can wait for each other.
class AppliedLimits {
 public:
  AppliedLimits(std::span<const Limit> limits, std::span<const std::string_view> keys);
  ~AppliedLimits() { unlock(); }
  AppliedLimits(const AppliedLimits&) = delete;
  AppliedLimits& operator=(const AppliedLimits&) = delete;

  void lock();
  std::span<Applied> all() { return {items_, count_}; }

 private:
  static constexpr std::size_t usual_max = 4;  // More limits on one request cost an allocation.
  void unlock();

  std::array<Applied, usual_max> usual_;
  std::array<Shard*, usual_max> usual_shards_;
  std::vector<Applied> many_;
  std::vector<Shard*> many_shards_;
  Applied* items_ = usual_.data();
  Shard** shards_ = usual_shards_.data();
  std::size_t count_ = 0, locked_ = 0;
};

AppliedLimits::AppliedLimits(std::span<const Limit> limits, std::span<const std::string_view> keys) {
  const std::size_t size = std::min(limits.size(), keys.size());
  if (size > usual_max) {
    many_.resize(size);
    many_shards_.resize(size);
    items_ = many_.data();
    shards_ = many_shards_.data();
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (keys[i].empty()) continue;
    const Zone& zone = *limits[i].zone;
    if (keys[i].size() > Zone::key_bytes_max) {
      log(LogLevel::error, "the value of the \"", zone.key().text(), "\" key is more than ", Zone::key_bytes_max,
          " bytes: ", keys[i].size(), " bytes, zone \"", zone.name(), "\" does not limit it");
      continue;
    }
    const KeyHash key = ZoneAccess::hash(zone, keys[i]);
    items_[count_++] = {&limits[i], &ZoneAccess::shard(zone, key), key, BucketTable::none, 0};
  }
}

void AppliedLimits::lock() {
  for (std::size_t i = 0; i < count_; ++i) shards_[i] = items_[i].shard;
  if (count_ > 1) std::sort(shards_, shards_ + count_, std::less<Shard*>());
  Shard** const end = count_ > 1 ? std::unique(shards_, shards_ + count_) : shards_ + count_;
  const auto distinct = static_cast<std::size_t>(end - shards_);
  for (; locked_ < distinct; ++locked_) shards_[locked_]->mutex.lock();
}

void AppliedLimits::unlock() {
  for (; locked_ > 0; --locked_) shards_[locked_ - 1]->mutex.unlock();
}

// The first limit that rejects is the one that is named, as in nginx; the wait covers all that reject.
bool reject(std::span<const Applied> all, std::int64_t now_ms, LimitOutcome& outcome) {
  bool rejected = false;
  for (const Applied& applied : all) {
    if (!applied.rejects()) continue;
    if (!rejected) {
      outcome.zone = applied.limit->zone->name();
      outcome.excess_milli = applied.excess_milli;
      outcome.limit = milli(applied.limit->burst) / 1000 + 1;
    }
    rejected = true;
    outcome.retry_after_ms = std::max(outcome.retry_after_ms, applied.retry_after_ms(now_ms));
  }
  return rejected;
}

// Charges all. The last limit comes first and another takes its place only with a longer delay: nginx's order.
void charge(std::span<Applied> all, std::int64_t now_ms, LimitOutcome& outcome) {
  const bool alone = all.size() == 1;
  for (std::size_t i = all.size(); i-- > 0;) {
    Applied& applied = all[i];
    applied.charge(now_ms, alone);
    const std::uint64_t delay_ms = applied.delay_ms();
    if (delay_ms > outcome.delay_ms) {
      outcome.delay_ms = delay_ms;
      outcome.zone = applied.limit->zone->name();
      outcome.excess_milli = applied.excess_milli;
    }
    if (outcome.limit == 0 || applied.remaining() < outcome.remaining) {
      outcome.limit = milli(applied.limit->burst) / 1000 + 1;
      outcome.remaining = applied.remaining();
      if (outcome.delay_ms == 0) outcome.excess_milli = applied.excess_milli;
    }
  }
}

}  // namespace

LimitOutcome check_limits(std::span<const Limit> limits, std::span<const std::string_view> keys,
                          std::int64_t monotonic_ms, bool dry_run) {
  LimitOutcome outcome;
  AppliedLimits applied(limits, keys);
  if (applied.all().empty()) return outcome;
  applied.lock();
  for (Applied& one : applied.all()) one.look_up(monotonic_ms);
  if (reject(applied.all(), monotonic_ms, outcome)) {
    outcome.status = dry_run ? LimitStatus::rejected_dry_run : LimitStatus::rejected;
    return outcome;
  }
  charge(applied.all(), monotonic_ms, outcome);
  if (outcome.delay_ms == 0) {
    outcome.status = LimitStatus::passed;
  } else if (dry_run) {
    outcome.status = LimitStatus::delayed_dry_run;
    outcome.delay_ms = 0;  // Nobody waits in a dry run.
  } else {
    outcome.status = LimitStatus::delayed;
  }
  return outcome;
}

}  // namespace keepgate::limit

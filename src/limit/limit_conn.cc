#include "limit/limit_conn.h"

#include <algorithm>
#include <mutex>

#include "base/log.h"
#include "limit/count_table.h"
#include "limit/shards.h"

namespace keepgate::limit {

struct ConnZone::Impl {
  explicit Impl(std::size_t bytes) : shards(bytes) {}
  Shards<CountTable> shards;
};

ConnZone::ConnZone(std::string name, std::size_t size_bytes, route::Template key)
    : name_(std::move(name)),
      size_bytes_(std::max(size_bytes, size_bytes_min)),
      key_(std::move(key)),
      impl_(std::make_unique<Impl>(size_bytes_)) {}

ConnZone::~ConnZone() = default;

std::size_t ConnZone::entry_count() const { return impl_->shards.entry_count(); }

bool ConnHold::add(ConnZone& zone, std::string_view key, std::uint32_t most) {
  const KeyHash hash = zone.impl_->shards.hash(key);
  auto& shard = zone.impl_->shards.of(hash);
  held_.reserve(held_.size() + 1);  // Before it counts: what is counted is always given back.
  {
    const std::lock_guard lock(shard.mutex);
    if (!shard.table.add(hash, most)) return false;
  }
  held_.push_back({&zone, hash});
  return true;
}

void ConnHold::shrink(std::size_t size) {
  while (held_.size() > size) {
    const Held last = held_.back();
    held_.pop_back();
    auto& shard = last.zone->impl_->shards.of(last.key);
    const std::lock_guard lock(shard.mutex);
    shard.table.remove(last.key);
  }
}

std::string_view name_of(ConnStatus status) {
  constexpr std::string_view names[] = {"", "PASSED", "REJECTED", "REJECTED_DRY_RUN"};
  return names[static_cast<std::size_t>(status)];
}

ConnOutcome hold_connection(std::span<const ConnLimit> limits, std::span<const std::string_view> keys, bool dry_run,
                            ConnHold& hold) {
  ConnOutcome outcome;
  const std::size_t before = hold.size();
  for (std::size_t i = 0; i < std::min(limits.size(), keys.size()); ++i) {
    ConnZone& zone = *limits[i].zone;
    if (keys[i].empty()) continue;
    if (keys[i].size() > ConnZone::key_bytes_max) {
      log(LogLevel::error, "the value of the \"", zone.key().text(), "\" key is more than ", ConnZone::key_bytes_max,
          " bytes: ", keys[i].size(), " bytes, zone \"", zone.name(), "\" does not limit it");
      continue;
    }
    outcome.status = ConnStatus::passed;
    if (hold.add(zone, keys[i], limits[i].most)) continue;
    hold.shrink(before);
    return {dry_run ? ConnStatus::rejected_dry_run : ConnStatus::rejected, zone.name()};
  }
  return outcome;
}

}  // namespace keepgate::limit

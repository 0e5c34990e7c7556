// limit_req: nginx's leaky bucket in milli-requests, with its exact arithmetic (design: nginx-semantics §3).
//
// A Zone is shared by all workers and survives reloads; its memory is bounded by its size with LRU eviction.
// Thread rule: Zone is safe from any thread (sharded locks, each held for a few hundred nanoseconds).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/log.h"
#include "route/template.h"

namespace keepgate::limit {

class Zone {
 public:
  static constexpr std::size_t size_bytes_min = 32 * 1024;  // nginx: eight pages.
  static constexpr std::size_t key_bytes_max = 65535;

  // `rate_milli`: requests per second × 1000 (30r/m → 500).
  Zone(std::string name, std::size_t size_bytes, std::uint64_t rate_milli, route::Template key);
  ~Zone();

  const std::string& name() const { return name_; }
  std::size_t size_bytes() const { return size_bytes_; }
  std::uint64_t rate_milli() const { return rate_milli_; }
  const route::Template& key() const { return key_; }
  std::size_t entry_count() const;  // For status and tests.

 private:
  friend struct ZoneAccess;  // limit_req.cc
  struct Impl;
  std::string name_;
  std::size_t size_bytes_;
  std::uint64_t rate_milli_;
  route::Template key_;
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::size_t limits_max = 16;  // Of one stage at one level; more is a configuration error.

struct Limit {
  std::shared_ptr<Zone> zone;
  std::uint64_t burst = 0;
  std::uint64_t delay = 0;  // nodelay: delay = burst or more.
  bool after_auth = false;  // Ours: evaluated after authorization, on verified identity.
};

enum class LimitStatus : std::uint8_t { none = 0, passed, delayed, rejected, delayed_dry_run, rejected_dry_run };
std::string_view name_of(LimitStatus status);  // "PASSED" … as $limit_req_status; "" for none.

struct LimitOutcome {
  LimitStatus status = LimitStatus::none;  // none: no limit applied (no limits, or all keys empty).
  std::uint64_t delay_ms = 0;              // With delayed: wait so long, then go on.
  std::string_view zone;                   // The zone that delayed or rejected; lives as long as the Limit.
  std::uint64_t excess_milli = 0;          // For the log, as nginx shows it: "excess: 1.234".
  std::uint64_t retry_after_ms = 0;        // With rejected: when one request would pass.
  std::uint64_t limit = 0, remaining = 0;  // For RateLimit fields: burst + 1 and what is left of it.
};

// All limits together (the ones of this stage): none is charged if any rejects; the longest delay wins. `keys[i]` is
// the evaluated key of `limits[i]`; an empty key is not limited, one over key_bytes_max is not limited and logged.
LimitOutcome check_limits(std::span<const Limit> limits, std::span<const std::string_view> keys,
                          std::int64_t monotonic_ms, bool dry_run);

}  // namespace keepgate::limit

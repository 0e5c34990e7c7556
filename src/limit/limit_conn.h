// limit_conn: how many requests of one key may be under way at the same time (design: nginx-semantics §3).
//
// A ConnZone is shared by all workers and survives reloads; its memory is bounded, and a full zone refuses. Thread
// rule: ConnZone is safe from any thread (sharded locks, each held for some ten nanoseconds); a hold is its request's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limit/key_hash.h"
#include "route/template.h"

namespace keepgate::limit {

class ConnZone {
 public:
  static constexpr std::size_t size_bytes_min = 32 * 1024;  // nginx: eight pages.
  static constexpr std::size_t key_bytes_max = 255;

  ConnZone(std::string name, std::size_t size_bytes, route::Template key);
  ~ConnZone();

  const std::string& name() const { return name_; }
  std::size_t size_bytes() const { return size_bytes_; }
  const route::Template& key() const { return key_; }
  std::size_t entry_count() const;  // For status and tests.

 private:
  friend class ConnHold;
  struct Impl;
  std::string name_;
  std::size_t size_bytes_;
  route::Template key_;
  std::unique_ptr<Impl> impl_;
};

struct ConnLimit {
  std::shared_ptr<ConnZone> zone;
  std::uint32_t most = 0;
  bool after_auth = false;  // Ours: counted behind authorization, on verified identity.
};

// What a request is counted in; gives it back when it is cleared or ends. Keeps its memory over clear().
class ConnHold {
 public:
  ConnHold() = default;
  ConnHold(const ConnHold&) = delete;
  ConnHold& operator=(const ConnHold&) = delete;
  ~ConnHold() { clear(); }

  // Counts one more; false if there are `most` already or the zone is full.
  bool add(ConnZone& zone, std::string_view key, std::uint32_t most);
  std::size_t size() const { return held_.size(); }
  void shrink(std::size_t size);  // Gives back all that came after the first `size`.
  void clear() { shrink(0); }

 private:
  struct Held {
    ConnZone* zone;  // Of a snapshot that outlives the request.
    KeyHash key;
  };
  std::vector<Held> held_;
};

enum class ConnStatus : std::uint8_t { none = 0, passed, rejected, rejected_dry_run };
std::string_view name_of(ConnStatus status);  // "PASSED" … as $limit_conn_status; "" for none.

struct ConnOutcome {
  ConnStatus status = ConnStatus::none;  // none: no limit applied (no limits, or all keys empty).
  std::string_view zone;                 // The zone that rejected; lives as long as the limit.
};

// Counts the request in every zone, or, if one rejects, in none. `keys[i]` is the evaluated key of `limits[i]`; an
// empty key is not limited, one over key_bytes_max is not limited and logged.
ConnOutcome hold_connection(std::span<const ConnLimit> limits, std::span<const std::string_view> keys, bool dry_run,
                            ConnHold& hold);

}  // namespace keepgate::limit

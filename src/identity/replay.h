// The memory of transaction ids already used, for single_use: bounded, shared by all workers, survives reloads.
// Thread rule: safe from any thread (sharded locks). When full of live entries it refuses (never forgets one early).
// Memory: grows with use to at most 64 bytes per entry; an id is kept as a keyed 128-bit fingerprint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace keepgate::identity {

class ReplayStore {
 public:
  explicit ReplayStore(std::size_t entries_max = 1 << 20);
  ~ReplayStore();

  enum class Use : std::uint8_t { full = 0, replayed, first };
  // Remembers `txn` until `expires_s` (wall clock; checked against now_s). Only `first` may pass. What has expired
  // already is called replayed: nothing remembers whether it was.
  Use consume(std::string_view txn, std::int64_t expires_s, std::int64_t now_s);
  // Entries held, expired ones that were not yet reclaimed included.
  std::size_t entry_count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::identity

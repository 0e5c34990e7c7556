// ApiKeySet: all keys of a key file, to be asked by a request. Immutable, compact, replaced whole.
//
// Memory: one cache line a key, its names once, and 8 to 16 bytes of index: about 110 bytes a key with short names, as
// bench/api_keys.cc measures. Cost of check(): one HMAC and one look-up, the same for a key that is not known.
// Thread rule: immutable after it was built; callable from any thread. Bounds: keys_max, names_bytes_max.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/api_key_record.h"
#include "auth/principal.h"
#include "base/error.h"

namespace keepgate::auth {

// Keys by id. Built by one owner, then read by all.
class ApiKeyTable {
 public:
  static constexpr std::size_t keys_max = 8'000'000;
  static constexpr std::size_t names_bytes_max = std::size_t{2} << 30;

  struct alignas(64) Entry {
    ApiKeyHash hash;
    std::array<char, api_key_id_length> id;
    std::uint32_t names_at;
    std::int64_t not_before_s;
    std::int64_t expires_s;  // `revoked`: not by time.
  };
  static constexpr std::int64_t revoked = -1;

  void reserve(std::size_t count);
  // Adds a key, or replaces the one of this id. false: a bound is reached.
  bool put(const ApiKeyRecord& record);
  const Entry* find(std::string_view id) const;
  bool has(const Entry& entry) const { return find({entry.id.data(), entry.id.size()}) != nullptr; }
  const std::vector<Entry>& entries() const { return entries_; }
  // "client\tuser\troles\tscopes".
  std::string_view names(const Entry& entry) const;
  std::size_t size() const { return entries_.size(); }
  std::size_t memory_bytes() const;
  void shrink();

 private:
  static constexpr std::uint32_t empty = UINT32_MAX;
  std::size_t slot_of(std::string_view id) const;
  void index_anew(std::size_t slots);

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // Open addressing, at most half full; a power of two.
  std::string names_;                 // Each ends with a newline.
};

struct CheckedApiKey {
  std::string_view id;  // Of the text that was checked, whether there is such a key or not; "" if it is no key at all.
  bool is_known = false;                       // The whole key is right; only then `state` says something.
  ApiKeyState state = ApiKeyState::unknown;    // Anything but active refuses.
  std::shared_ptr<const Principal> principal;  // Only with active.
};

class ApiKeySet {
 public:
  // Secret: its bytes. Wiped in the end.
  ApiKeySet(std::string secret, std::shared_ptr<const ApiKeyTable> base, ApiKeyTable recent);
  ~ApiKeySet();
  ApiKeySet(const ApiKeySet&) = delete;
  ApiKeySet& operator=(const ApiKeySet&) = delete;

  // Form, then the hash, which is worked out and compared whether the id is known or not, then the times.
  CheckedApiKey check(std::string_view key, std::int64_t now_s) const;

  std::size_t size() const;  // Keys, revoked and expired ones too.
  std::size_t memory_bytes() const { return base_->memory_bytes() + recent_.memory_bytes(); }

 private:
  friend class ApiKeySetBuilder;
  std::string secret_;
  std::shared_ptr<const ApiKeyTable> base_;
  ApiKeyTable recent_;  // What was appended since `base_` was read: its entries come before those.
};

// Reads the lines of a key file, from its first line on or those that were appended to it.
class ApiKeySetBuilder {
 public:
  // More appended keys than this are not worth a second table: the file is read anew.
  static constexpr std::size_t recent_max = 4096;

  explicit ApiKeySetBuilder(std::string secret);       // From the first line.
  explicit ApiKeySetBuilder(const ApiKeySet& before);  // What was appended.
  ~ApiKeySetBuilder();
  ApiKeySetBuilder(const ApiKeySetBuilder&) = delete;
  ApiKeySetBuilder& operator=(const ApiKeySetBuilder&) = delete;

  void reserve(std::size_t keys) { table_->reserve(keys); }
  // Whole lines. The first error ends it: "line 7: the hash is no hash".
  Result<void> add(std::string_view lines);
  bool is_crowded() const { return base_ && table_->size() > recent_max; }
  // Without any line: an error, since a key file has a first line at least.
  Result<std::shared_ptr<const ApiKeySet>> finish();

 private:
  Result<void> add_line(std::string_view line);

  std::string secret_;
  std::shared_ptr<const ApiKeyTable> base_;  // Only for what was appended.
  std::shared_ptr<ApiKeyTable> table_;
  std::size_t line_number_ = 0;
};

}  // namespace keepgate::auth

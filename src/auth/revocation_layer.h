// RevocationLayer: some entries of a RevocationList with their index. A list is a few of them, a big one first, so that
// what is added costs what it is and not what was there before.
//
// Thread rule: built by one thread, then immutable and callable from any. Bounds: the list's; 32 bits name every place.
// Memory: about 70 bytes an entry and its texts. Cost: merged() copies and neither reads nor hashes anything again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/revocations.h"
#include "crypto/digest.h"

namespace keepgate::auth {

class RevocationLayer {
 public:
  // As Revocation; texts are places in `texts_`, times are 0 where there are none.
  struct Entry {
    std::uint32_t value_at = 0, issuer_at = 0, line = 0;
    std::uint16_t value_size = 0, issuer_size = 0;
    std::int64_t before_s = 0, until_s = 0;
  };

  void add(const Revocation& revocation);
  // Behind the last add(), with the key of all layers of the list.
  void add_index(const crypto::SipKey& key);
  // What ended before `ended_s` is left out.
  static std::shared_ptr<const RevocationLayer> merged(const RevocationLayer& older, const RevocationLayer& newer,
                                                       std::int64_t ended_s);

  std::size_t size() const { return size_; }
  std::size_t text_bytes() const { return texts_.size(); }
  std::size_t memory_bytes() const;
  const std::vector<Entry>& entries(RevocationKind kind) const { return of(kind).entries; }
  std::string_view value(const Entry& entry) const { return text_at(entry.value_at, entry.value_size); }
  std::string_view issuer(const Entry& entry) const { return text_at(entry.issuer_at, entry.issuer_size); }
  Revocation revocation(RevocationKind kind, const Entry& entry) const;

  // Calls `take` with each entry of this value, whose hash is `hash`.
  template <typename Take>
  void each(RevocationKind kind, std::string_view wanted, std::uint64_t hash, Take take) const {
    const Kind& all = of(kind);
    for (auto one = std::ranges::lower_bound(all.places, hash, {}, &Place::hash);
         one != all.places.end() && one->hash == hash; ++one) {
      const Entry& entry = all.entries[one->entry];
      if (value(entry) == wanted) take(entry);
    }
  }

 private:
  struct Place {
    std::uint64_t hash = 0;  // Keyed: what is looked for comes from outside.
    std::uint32_t entry = 0;
  };
  struct Kind {
    std::vector<Entry> entries;
    std::vector<Place> places;  // By hash.
  };

  const Kind& of(RevocationKind kind) const { return kinds_[static_cast<std::size_t>(kind)]; }
  std::string_view text_at(std::uint32_t at, std::uint16_t size) const { return {texts_.data() + at, size}; }
  Entry copy(const RevocationLayer& from, const Entry& entry);

  std::string texts_;
  std::array<Kind, revocation_kinds> kinds_;
  std::size_t size_ = 0;
};

}  // namespace keepgate::auth

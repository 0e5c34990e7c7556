// AnswerCache: what issuers said about opaque tokens, good answers and bad ones apart.
//
// A flood of made-up tokens fills the part of bad answers and evicts nothing that is good. Keys are digests: no token
// is kept. Trees, not hash tables: whoever chooses tokens chooses their digests' first bits. Thread rule: one owner.
// Bounds: AnswerCacheBounds; in each part what was used longest ago goes first.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "auth/introspection.h"
#include "base/clock.h"

namespace keepgate::issuer {

struct AnswerCacheBounds {
  std::size_t active = 10'000;
  std::size_t active_bytes = 32 << 20;
  std::size_t answer_bytes = 16 << 10;  // A longer answer is not remembered.
  std::size_t inactive = 10'000;
  std::int64_t inactive_ms = 5'000;
};

class AnswerCache {
 public:
  // The endpoint's number, and the SHA-256 of the token.
  using Key = std::pair<std::uint64_t, std::array<unsigned char, 32>>;
  using Answer = std::shared_ptr<const auth::IntrospectionAnswer>;

  explicit AnswerCache(const AnswerCacheBounds& bounds) : bounds_(bounds) {}

  // nullptr: nothing that is young enough: of a good answer `cache_ms`, of a bad one inactive_ms. A good answer about a
  // token that has expired since is kept no longer.
  Answer find(const Key& key, std::int64_t cache_ms, Now now);
  void insert(const Key& key, Answer answer, std::int64_t cache_ms, Now now);
  std::size_t active_count() const { return active_.entries.size(); }
  std::size_t active_bytes() const { return active_.bytes; }
  std::size_t inactive_count() const { return inactive_.entries.size(); }

 private:
  struct Entry {
    Answer answer;
    std::int64_t since_ms = 0;
    std::list<Key>::iterator use;
  };
  struct Part {
    std::map<Key, Entry> entries;
    std::list<Key> uses;  // The latest first.
    std::size_t bytes = 0;
    void erase(std::map<Key, Entry>::iterator entry);
    void put(const Key& key, Answer answer, Now now, std::size_t entries_max, std::size_t bytes_max);
  };

  AnswerCacheBounds bounds_;
  Part active_, inactive_;
};

}  // namespace keepgate::issuer

// The cache of verified tokens of jwt.h: eight-way sets, each with its hashes on one cache line.
//
// A hit costs one keyed hash and one comparison of the whole token. In a set the entry that was not asked for since the
// hand last passed is replaced (clock), so one flood of new tokens does not empty it of tokens in use.
#include <algorithm>
#include <array>

#include "auth/jwt.h"
#include "crypto/digest.h"

namespace keepgate::auth {

namespace {

constexpr std::size_t ways = 8;

struct Entry {
  std::string token;
  std::uint64_t verifier_id = 0;
  std::shared_ptr<const VerifiedToken> value;  // nullptr: free.
};

struct Set {
  std::array<std::uint64_t, ways> hashes{};
  std::array<Entry, ways> entries;
  std::uint8_t recently_used = 0;  // Bit per entry.
  std::uint8_t hand = 0;
};

constexpr std::uint8_t bit(std::size_t way) { return static_cast<std::uint8_t>(1U << way); }

bool holds(const VerifiedToken& token, Now now) {
  return (token.expires_s == 0 || now.wall_ms < token.expires_s * 1000) && now.wall_ms >= token.not_before_s * 1000;
}

std::size_t way_to_replace(Set& set) {
  for (std::size_t way = 0; way < ways; ++way) {
    if (set.entries[way].value == nullptr) return way;
  }
  for (;;) {  // Ends within two rounds: each step clears a bit.
    const std::size_t way = set.hand;
    set.hand = static_cast<std::uint8_t>((set.hand + 1) % ways);
    if ((set.recently_used & bit(way)) == 0) return way;
    set.recently_used = static_cast<std::uint8_t>(set.recently_used & ~bit(way));
  }
}

}  // namespace

struct TokenCache::Impl {
  crypto::SipKey key = crypto::SipKey::random();
  std::vector<std::unique_ptr<Set>> sets;  // Made on first use: an idle cache costs a pointer per set.

  // The end of a token is its signature, which nobody chooses: 64 bytes of it spread as well as all of it, and only
  // verified tokens are ever inserted. Whether it is the same token is for the full compare to say.
  std::uint64_t hash_of(std::string_view token, std::uint64_t verifier_id) const {
    constexpr std::size_t hashed_bytes = 64;
    const std::string_view end = token.substr(token.size() - std::min(token.size(), hashed_bytes));
    return crypto::siphash13({key.k0 ^ verifier_id, key.k1 ^ token.size()}, end);
  }
  // The high half of a product spreads hashes over any number of sets without a division.
  std::unique_ptr<Set>& set_of(std::uint64_t hash) {
    return sets[static_cast<std::size_t>((hash >> 32) * sets.size() >> 32)];
  }
};

TokenCache::TokenCache(std::size_t entries_max) : impl_(std::make_unique<Impl>()) {
  impl_->sets.resize((entries_max + ways - 1) / ways);
}

TokenCache::TokenCache(TokenCache&&) noexcept = default;
TokenCache& TokenCache::operator=(TokenCache&&) noexcept = default;
TokenCache::~TokenCache() = default;

std::shared_ptr<const VerifiedToken> TokenCache::find(std::string_view token, std::uint64_t verifier_id, Now now) {
  if (impl_->sets.empty() || token.size() > token_bytes_max) return nullptr;
  const std::uint64_t hash = impl_->hash_of(token, verifier_id);
  Set* const set = impl_->set_of(hash).get();
  if (set == nullptr) return nullptr;
  for (std::size_t way = 0; way < ways; ++way) {
    if (set->hashes[way] != hash) continue;
    Entry& entry = set->entries[way];
    if (entry.value == nullptr || entry.verifier_id != verifier_id || entry.token != token) continue;
    if (!holds(*entry.value, now)) {
      entry = {};
      return nullptr;
    }
    set->recently_used = static_cast<std::uint8_t>(set->recently_used | bit(way));
    return entry.value;
  }
  return nullptr;
}

void TokenCache::insert(std::string_view token, std::uint64_t verifier_id, std::shared_ptr<const VerifiedToken> value) {
  if (impl_->sets.empty() || token.size() > token_bytes_max || value == nullptr) return;
  const std::uint64_t hash = impl_->hash_of(token, verifier_id);
  std::unique_ptr<Set>& set = impl_->set_of(hash);
  if (set == nullptr) set = std::make_unique<Set>();
  std::size_t way = 0;
  while (way < ways && !(set->hashes[way] == hash && set->entries[way].value != nullptr &&
                         set->entries[way].verifier_id == verifier_id && set->entries[way].token == token)) {
    ++way;
  }
  if (way == ways) way = way_to_replace(*set);
  set->hashes[way] = hash;
  set->entries[way] = {std::string(token), verifier_id, std::move(value)};
}

}  // namespace keepgate::auth

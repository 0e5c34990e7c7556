#include "oauth/known_places.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "limit/key_hash.h"

namespace keepgate::oauth {

namespace {

using limit::KeyHash;

constexpr std::size_t place_shard_count = 16;

struct Place {
  KeyHash hash;
  std::int64_t seen_ms = 0;
  bool is_used = false;
};

struct AccountPlaces {
  std::array<Place, KnownPlaces::places_max> places;
  std::int64_t seen_ms = 0;
};

// Keyed hashes spread as well as any.
struct HashOfHash {
  std::size_t operator()(const KeyHash& hash) const { return hash.first; }
};

struct PlacesShard {
  mutable std::mutex mutex;  // Held for a look-up, or for a walk when the shard is full.
  std::unordered_map<KeyHash, AccountPlaces, HashOfHash> accounts;
};

}  // namespace

struct KnownPlaces::Impl {
  crypto::SipKey first = crypto::SipKey::random(), second = crypto::SipKey::random();
  std::array<PlacesShard, place_shard_count> shards;

  KeyHash hash(std::string_view text) const {
    return {crypto::siphash13(first, text), crypto::siphash13(second, text)};
  }
  PlacesShard& of(const KeyHash& account) { return shards[account.second % place_shard_count]; }
};

KnownPlaces::KnownPlaces() : impl_(std::make_unique<Impl>()) {}
KnownPlaces::~KnownPlaces() = default;

bool KnownPlaces::knows(std::string_view account, std::string_view place, std::int64_t now_ms) const {
  const KeyHash who = impl_->hash(account), where = impl_->hash(place);
  const PlacesShard& shard = impl_->of(who);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.accounts.find(who);
  return found != shard.accounts.end() && std::ranges::any_of(found->second.places, [&](const Place& one) {
           return one.is_used && one.hash == where && now_ms - one.seen_ms < lifetime_ms;
         });
}

void KnownPlaces::remember(std::string_view account, std::string_view place, std::int64_t now_ms) {
  const KeyHash who = impl_->hash(account), where = impl_->hash(place);
  PlacesShard& shard = impl_->of(who);
  const std::lock_guard lock(shard.mutex);
  auto& accounts = shard.accounts;
  if (accounts.size() >= accounts_max / place_shard_count && !accounts.contains(who)) {
    accounts.erase(std::ranges::min_element(accounts, {}, [](const auto& one) { return one.second.seen_ms; }));
  }
  AccountPlaces& mine = accounts[who];
  mine.seen_ms = now_ms;
  auto slot = std::ranges::find_if(mine.places, [&](const Place& one) { return one.is_used && one.hash == where; });
  if (slot == mine.places.end()) slot = std::ranges::find(mine.places, false, &Place::is_used);
  if (slot == mine.places.end()) slot = std::ranges::min_element(mine.places, {}, &Place::seen_ms);
  *slot = {where, now_ms, true};
}

std::size_t KnownPlaces::account_count() const {
  std::size_t count = 0;
  for (const PlacesShard& shard : impl_->shards) {
    const std::lock_guard lock(shard.mutex);
    count += shard.accounts.size();
  }
  return count;
}

}  // namespace keepgate::oauth

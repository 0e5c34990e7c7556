#include "oauth/attempt_limits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "limit/bucket_table.h"
#include "limit/shards.h"
#include "oauth/known_places.h"
#include "oauth/proven_clients.h"

namespace keepgate::oauth {

namespace {

constexpr std::uint64_t try_milli = 1000;
constexpr std::size_t prefix_bytes_v6 = 8;  // A subscriber's network: whoever has one address of it has all.
constexpr std::size_t charges_max = 3;
constexpr std::int64_t never_ms = INT64_MIN / 2;

using Budget = AttemptLimits::Budget;
// By then a bucket of failed clients is empty, however full it was.
constexpr std::int64_t drain_ms(Budget budget) {
  return static_cast<std::int64_t>((budget.burst + 1) * try_milli * 1000 / budget.rate_milli);
}
constexpr std::int64_t client_drain_ms_max =
    std::max({drain_ms(AttemptLimits::client_soon), drain_ms(AttemptLimits::client_network),
              drain_ms(AttemptLimits::client_known)});

using BucketShards = limit::Shards<limit::BucketTable>;

// One bucket that a try draws from.
struct Charge {
  BucketShards* table = nullptr;
  Budget budget{};
  std::string key;
};

struct Charges {
  std::array<Charge, charges_max> all;
  std::size_t count = 0;
  void add(BucketShards& table, Budget budget, std::string key) { all[count++] = {&table, budget, std::move(key)}; }
};

// ::ffff:1.2.3.4 is 1.2.3.4, as everywhere here.
std::string network_of(std::string_view address) {
  constexpr std::string_view mapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  if (address.size() == 16 && address.starts_with(mapped)) address.remove_prefix(mapped.size());
  return std::string(address.substr(0, address.size() == 16 ? prefix_bytes_v6 : address.size()));
}

std::string browser_place(const Attempt& attempt) { return cat("b", attempt.browser); }
std::string network_place(const Attempt& attempt) { return cat("n", network_of(attempt.network)); }

// Milliseconds until `excess` has leaked down to where one more try fits.
std::int64_t wait_ms(std::uint64_t excess_with_try, Budget budget) {
  const std::uint64_t over = excess_with_try - budget.burst * try_milli;
  return static_cast<std::int64_t>((over * 1000 + budget.rate_milli - 1) / budget.rate_milli);
}

// 0: there is room for a try. Else the milliseconds to wait.
std::int64_t look_one(const Charge& charge, std::int64_t now_ms) {
  const limit::KeyHash hash = charge.table->hash(charge.key);
  auto& shard = charge.table->of(hash);
  const std::lock_guard lock(shard.mutex);
  const auto index = shard.table.find(hash);
  if (index == limit::BucketTable::none) return 0;
  const std::uint64_t excess = shard.table.bucket(index).excess_with_request(now_ms, charge.budget.rate_milli);
  return excess > charge.budget.burst * try_milli ? wait_ms(excess, charge.budget) : 0;
}

AttemptVerdict refusal_for(std::int64_t wait) { return {false, std::max<std::int64_t>((wait + 999) / 1000, 1)}; }

// 0: it was charged. Else the milliseconds to wait.
std::int64_t charge_one(const Charge& charge, std::int64_t now_ms) {
  const limit::KeyHash hash = charge.table->hash(charge.key);
  auto& shard = charge.table->of(hash);
  const std::lock_guard lock(shard.mutex);
  auto& table = shard.table;
  auto index = table.find(hash);
  if (index == limit::BucketTable::none) index = table.insert(hash, now_ms, charge.budget.rate_milli);
  limit::Bucket& bucket = table.bucket(index);
  const std::uint64_t excess = bucket.excess_with_request(now_ms, charge.budget.rate_milli);
  if (excess > charge.budget.burst * try_milli) return wait_ms(excess, charge.budget);
  bucket.charge(now_ms, std::max<std::uint64_t>(excess, 1));
  table.touch(index);
  return 0;
}

void give_back_one(const Charge& charge, std::int64_t now_ms, std::uint64_t milli) {
  const limit::KeyHash hash = charge.table->hash(charge.key);
  auto& shard = charge.table->of(hash);
  const std::lock_guard lock(shard.mutex);
  const auto index = shard.table.find(hash);
  if (index == limit::BucketTable::none) return;
  limit::Bucket& bucket = shard.table.bucket(index);
  const std::uint64_t with_try = bucket.excess_with_request(now_ms, charge.budget.rate_milli);
  const std::uint64_t excess = with_try - std::min(with_try, try_milli);
  bucket.charge(now_ms, excess - std::min(excess, milli));
  shard.table.touch(index);
}

}  // namespace

// A table for each rate: what is drained is told by it.
struct AttemptLimits::Impl {
  explicit Impl(std::size_t bytes)
      : soon(bytes),
        day(bytes),
        factor_soon(bytes),
        factor_day(bytes),
        network(bytes),
        code(bytes),
        entries(bytes),
        clients(bytes / 4),
        known_clients(bytes / 4),
        client_networks(bytes / 4) {}
  BucketShards soon, day, factor_soon, factor_day, network, code, entries, clients, known_clients, client_networks;
  KnownPlaces places;
  ProvenClients proven_clients;
  std::atomic<std::int64_t> client_failed_ms = never_ms;  // The last one.

  // The place that this account is known at: the browser, which nobody shares, before the network. Empty: a stranger.
  std::string known_place(const Attempt& attempt, std::int64_t now_ms) const {
    if (attempt.account.empty()) return {};
    if (attempt.what == Guessed::client) {
      const bool is_known = proven_clients.knows(attempt.account, network_of(attempt.network), now_ms);
      return is_known ? network_place(attempt) : std::string();
    }
    if (std::string place = browser_place(attempt);
        !attempt.browser.empty() && places.knows(attempt.account, place, now_ms)) {
      return place;
    }
    std::string place = network_place(attempt);
    if (attempt.network.empty() || !places.knows(attempt.account, place, now_ms)) return {};
    return place;
  }

  // The same for a try, its return and its success; the place is not part of them where it became known in between.
  Charges charges_of(const Attempt& attempt, std::string_view place) {
    Charges out;
    // Each part behind its length: no two keys read alike.
    std::string owner = cat(attempt.account.size(), ":", attempt.account, place);
    const std::string net = network_of(attempt.network);
    switch (attempt.what) {
      case Guessed::password:
        out.add(soon, account_soon, owner);
        out.add(day, account_day, std::move(owner));
        if (place.empty()) out.add(network, network_soon, cat("p", net));
        break;
      case Guessed::second_factor:  // Whoever comes so far knows the password: each network is not worth a budget.
        out.add(factor_soon, second_factor_soon, owner);
        out.add(factor_day, second_factor_day, std::move(owner));
        break;
      case Guessed::user_code:  // Of all devices that wait, so that being known somewhere is no reason for more.
        out.add(code, user_code_soon, cat(attempt.account.size(), ":", attempt.account));
        out.add(network, user_code_network, cat("c", net));
        break;
      case Guessed::entry:
        out.add(entries, entries_network, net);
        break;
      case Guessed::client:
        // Where it is known, only a flood keeps it out: so many tries a second find no secret either.
        if (!place.empty()) {
          out.add(known_clients, client_known, cat(attempt.account.size(), ":", attempt.account, net));
          break;
        }
        if (!attempt.account.empty()) {
          out.add(clients, client_soon, cat(attempt.account.size(), ":", attempt.account, net));
        }
        out.add(client_networks, client_network, net);
        break;
    }
    return out;
  }
};

AttemptLimits::AttemptLimits(std::size_t bytes) : impl_(std::make_unique<Impl>(bytes)) {}
AttemptLimits::~AttemptLimits() = default;

AttemptVerdict AttemptLimits::charge(const Attempt& attempt, std::int64_t now_ms) {
  if (attempt.what == Guessed::client) impl_->client_failed_ms.store(now_ms, std::memory_order_relaxed);
  const Charges charges = impl_->charges_of(attempt, impl_->known_place(attempt, now_ms));
  for (std::size_t i = 0; i < charges.count; ++i) {
    const std::int64_t wait = charge_one(charges.all[i], now_ms);
    if (wait == 0) continue;
    while (i > 0) give_back_one(charges.all[--i], now_ms, try_milli);
    return refusal_for(wait);
  }
  return {true, 0};
}

bool AttemptLimits::limits_clients(std::int64_t now_ms) const {
  return now_ms - impl_->client_failed_ms.load(std::memory_order_relaxed) <= client_drain_ms_max;
}

AttemptVerdict AttemptLimits::look(const Attempt& attempt, std::int64_t now_ms) const {
  KG_ASSERT(attempt.what == Guessed::client);
  const Charges charges = impl_->charges_of(attempt, impl_->known_place(attempt, now_ms));
  for (std::size_t i = 0; i < charges.count; ++i) {
    if (const std::int64_t wait = look_one(charges.all[i], now_ms); wait != 0) return refusal_for(wait);
  }
  return {true, 0};
}

void AttemptLimits::give_back(const Attempt& attempt, std::int64_t now_ms) {
  const Charges charges = impl_->charges_of(attempt, impl_->known_place(attempt, now_ms));
  for (std::size_t i = 0; i < charges.count; ++i) give_back_one(charges.all[i], now_ms, try_milli);
}

void AttemptLimits::signed_in(const Attempt& attempt, std::int64_t now_ms) {
  if (attempt.account.empty()) return;
  for (const bool is_browser : {true, false}) {
    if ((is_browser ? attempt.browser : attempt.network).empty()) continue;
    const std::string place = is_browser ? browser_place(attempt) : network_place(attempt);
    impl_->places.remember(attempt.account, place, now_ms);
    for (const Guessed what : {Guessed::password, Guessed::second_factor}) {
      Attempt own = attempt;
      own.what = what;
      const Charges charges = impl_->charges_of(own, place);
      for (std::size_t i = 0; i < charges.count; ++i) give_back_one(charges.all[i], now_ms, UINT64_MAX);
    }
  }
}

void AttemptLimits::proven(const Attempt& attempt, std::int64_t now_ms) {
  if (attempt.network.empty()) return;
  impl_->proven_clients.remember(attempt.account, network_of(attempt.network), now_ms);
}

}  // namespace keepgate::oauth

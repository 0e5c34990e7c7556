#include "auth/issuer.h"

#include <algorithm>

namespace keepgate::auth {

bool IssuerOptions::same_as(const IssuerOptions& other) const {
  const bool same_authorities =
      (!authorities && !other.authorities) || (authorities && other.authorities && *authorities == *other.authorities);
  return issuer == other.issuer && keys_url == other.keys_url && keys_file == other.keys_file &&
         allow_private == other.allow_private && allow_plain == other.allow_plain && refresh_ms == other.refresh_ms &&
         keep_ms == other.keep_ms && same_authorities;
}

std::uint64_t Issuer::generation(Now now) const {
  // In this order: keys are published before the time until which they are good is moved on.
  if (now.monotonic_ms >= good_until_ms_.load(std::memory_order_acquire)) return 0;
  return generation_.load(std::memory_order_acquire);
}

std::shared_ptr<const IssuerKeys> Issuer::keys(Now now) const {
  if (now.monotonic_ms >= good_until_ms_.load(std::memory_order_acquire)) return nullptr;
  const std::lock_guard lock(mutex_);
  return keys_;
}

Issuer::News Issuer::news(Now now) const {
  if (!is_fetched()) return News::none;
  if (!was_asked_.load(std::memory_order_acquire)) return News::possible;
  // In this order, the reverse of set_state(): a fetch that begins or ends in between is never taken for one that ended
  // before and brought nothing.
  const std::int64_t ask_after_ms = ask_after_ms_.load(std::memory_order_acquire);
  const bool is_asked = is_asked_.load(std::memory_order_acquire);
  const bool failed = failed_.load(std::memory_order_acquire);
  // Without keys nobody waits for an issuer that does not answer: it is asked again and again anyway.
  if (failed && generation(now) == 0) return News::unknown;
  if (is_asked && !failed) return News::possible;
  if (now.monotonic_ms >= ask_after_ms) return News::possible;
  return failed ? News::unknown : News::none;
}

void Issuer::publish(std::shared_ptr<const crypto::KeySet> set, std::int64_t good_until_ms) {
  static std::atomic<std::uint64_t> last{0};
  auto keys = std::make_shared<IssuerKeys>();
  keys->set = std::move(set);
  keys->generation = ++last;
  const std::uint64_t generation = keys->generation;
  {
    const std::lock_guard lock(mutex_);
    keys_ = std::move(keys);
  }
  generation_.store(generation, std::memory_order_release);
  extend(good_until_ms);
}

void Issuer::extend(std::int64_t good_until_ms) { good_until_ms_.store(good_until_ms, std::memory_order_release); }

void Issuer::set_state(const State& state) {
  if (state.is_asked) is_asked_.store(true, std::memory_order_release);
  failed_.store(state.failed, std::memory_order_release);
  if (!state.is_asked) is_asked_.store(false, std::memory_order_release);
  ask_after_ms_.store(state.ask_after_ms, std::memory_order_release);
  was_asked_.store(state.was_asked, std::memory_order_release);
}

bool AcceptedIssuer::accepts(crypto::Algorithm algorithm) const {
  using crypto::Algorithm;
  if (algorithm == Algorithm::none) return false;
  const bool is_secret =
      algorithm == Algorithm::hs256 || algorithm == Algorithm::hs384 || algorithm == Algorithm::hs512;
  if (is_secret) return false;
  return algorithms.empty() || std::ranges::find(algorithms, algorithm) != algorithms.end();
}

}  // namespace keepgate::auth

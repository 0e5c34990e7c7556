// One issuer is a small machine: idle → (metadata →) keys → idle. It is started when due, or by the first token with an
// unknown key when the last one was long enough ago; whoever comes while it runs waits for the same end.
#include "issuer/keeper.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "issuer/document.h"

namespace keepgate::issuer {

namespace {

constexpr unsigned http_ok = 200;
constexpr std::size_t remarks_max = 8;
constexpr double jitter_part = 0.1;

std::string status_text(unsigned status) { return cat("it answered ", status); }

}  // namespace

Keeper::Keeper(fetch::Fetcher& fetcher, Post post, Chance chance, const KeeperBounds& bounds)
    : fetcher_(fetcher), post_(std::move(post)), chance_(std::move(chance)), bounds_(bounds) {}

void Keeper::use(const std::vector<std::shared_ptr<auth::Issuer>>& issuers, Now now) {
  std::vector<WatchPointer> kept;
  for (const WatchPointer& watch : std::exchange(watches_, {})) {
    if (std::ranges::find(issuers, watch->issuer) != issuers.end()) {
      kept.push_back(watch);
      continue;
    }
    watch->ended = true;
    tell(*watch, false, "the issuer is no longer in the configuration");
  }
  watches_ = std::move(kept);
  for (const auto& issuer : issuers) {
    if (!issuer->is_fetched() || watch_of(*issuer)) continue;
    auto watch = std::make_shared<Watch>();
    watch->issuer = issuer;
    watch->keys_url = issuer->options().keys_url;
    if (watch->keys_url.empty()) watch->metadata_urls = metadata_urls(issuer->options().issuer);
    watch->due_ms = now.monotonic_ms;
    watches_.push_back(std::move(watch));
  }
}

Keeper::WatchPointer Keeper::watch_of(const auth::Issuer& issuer) const {
  const auto found = std::ranges::find_if(watches_, [&](const auto& one) { return one->issuer.get() == &issuer; });
  return found == watches_.end() ? nullptr : *found;
}

void Keeper::ask(const auth::Issuer& issuer, Now now, Told told) {
  const WatchPointer watch = watch_of(issuer);
  if (!watch) return told(false, "nobody keeps the keys of this issuer");
  if (watch->step == Step::idle) {
    switch (issuer.news(now)) {
      case auth::Issuer::News::unknown:
        return told(false, "the issuer cannot be asked");
      case auth::Issuer::News::none:
        return told(true, {});
      case auth::Issuer::News::possible:
        break;
    }
    watch->state.ask_after_ms = now.monotonic_ms + bounds_.cooldown_ms;
    watch->waiting.push_back(std::move(told));
    return begin(watch, now);
  }
  if (watch->waiting.size() >= bounds_.waiting) return told(false, "too many wait for the keys of this issuer");
  if (watch->state.failed) {  // One may wait for it; the others would wait in vain, all the time that it is slow.
    watch->state.ask_after_ms = now.monotonic_ms + bounds_.cooldown_ms;
    watch->issuer->set_state(watch->state);
  }
  watch->waiting.push_back(std::move(told));
}

std::int64_t Keeper::advance(Now now) {
  std::int64_t next_ms = INT64_MAX;
  for (const WatchPointer& watch : std::vector<WatchPointer>(watches_)) {
    if (watch->good_until_ms <= now.monotonic_ms && watch->good_until_ms != INT64_MIN && !watch->has_expired) {
      watch->has_expired = true;
      log(LogLevel::error, "issuer ", watch->issuer->options().issuer,
          ": its keys are too old to be used, locations that need them answer 503");
    }
    if (!watch->has_expired && watch->good_until_ms != INT64_MIN) next_ms = std::min(next_ms, watch->good_until_ms);
    if (watch->step != Step::idle) continue;
    if (watch->due_ms <= now.monotonic_ms) {
      begin(watch, now);
    } else {
      next_ms = std::min(next_ms, watch->due_ms);
    }
  }
  return next_ms;
}

void Keeper::stop() {
  for (const WatchPointer& watch : std::exchange(watches_, {})) {
    watch->ended = true;
    tell(*watch, false, "the program ends");
  }
}

void Keeper::begin(const WatchPointer& watch, Now now) {
  watch->state.is_asked = true;
  watch->issuer->set_state(watch->state);
  const bool discovers = !watch->metadata_urls.empty();
  if (discovers && (watch->keys_url.empty() || now.monotonic_ms >= watch->metadata_until_ms)) {
    watch->metadata_number = 0;
    return fetch_metadata(watch);
  }
  fetch_keys(watch);
}

void Keeper::fetch_metadata(const WatchPointer& watch) {
  watch->step = Step::metadata;
  fetch(watch, watch->metadata_urls[watch->metadata_number], metadata_bytes_max, &Keeper::take_metadata);
}

void Keeper::fetch_keys(const WatchPointer& watch) {
  watch->step = Step::keys;
  fetch(watch, watch->keys_url, keys_bytes_max, &Keeper::take_keys);
}

void Keeper::fetch(const WatchPointer& watch, const std::string& url, std::size_t bytes_max, Taken taken) {
  const auth::IssuerOptions& options = watch->issuer->options();
  fetch::Request request;
  request.url = url;
  request.headers.push_back({"Accept", "application/json, application/jwk-set+json"});
  request.reach = options.allow_private ? fetch::Reach::with_private : fetch::Reach::global;
  if (options.allow_plain) request.plain = fetch::Plain::to_loopback;
  request.authorities = options.authorities;
  request.body_bytes_max = bytes_max;
  request.connect_timeout_ms = bounds_.connect_timeout_ms;
  request.timeout_ms = bounds_.fetch_timeout_ms;
  // `post` may outlive this Keeper's use of the answer, not the Keeper: the composition stops fetching first.
  fetcher_.fetch(std::move(request), [this, watch, taken, post = post_](Result<fetch::Response> response) {
    auto kept = std::make_shared<Result<fetch::Response>>(std::move(response));
    post([this, watch, taken, kept](Now now) {
      if (!watch->ended) (this->*taken)(watch, std::move(*kept), now);
    });
  });
}

void Keeper::take_metadata(const WatchPointer& watch, Result<fetch::Response> response, Now now) {
  if (!response) return fail(watch, cat("its metadata cannot be fetched: ", response.error().detail), now);
  const bool is_absent = response->status >= 400 && response->status < 500;
  if (is_absent && watch->metadata_number + 1 < watch->metadata_urls.size()) {
    ++watch->metadata_number;
    return fetch_metadata(watch);
  }
  if (response->status != http_ok) {
    return fail(watch, cat("its metadata cannot be fetched: ", status_text(response->status)), now);
  }
  auto url = keys_url_of(response->body, watch->issuer->options());
  if (!url) return fail(watch, url.error().detail, now);
  watch->keys_url = std::move(*url);
  watch->metadata_until_ms = now.monotonic_ms + bounds_.metadata_ms_max;
  fetch_keys(watch);
}

void Keeper::take_keys(const WatchPointer& watch, Result<fetch::Response> response, Now now) {
  if (!response) return fail(watch, cat("its keys cannot be fetched: ", response.error().detail), now);
  if (response->status != http_ok) {
    return fail(watch, cat("its keys cannot be fetched: ", status_text(response->status)), now);
  }
  const std::int64_t keep_until_ms = now.monotonic_ms + watch->issuer->options().keep_ms;
  std::string digest = crypto::sha256_hex(response->body);
  if (digest == watch->digest) {
    watch->issuer->extend(keep_until_ms);
  } else {
    std::vector<std::string> remarks;
    auto set = keys_of(response->body, watch->keys_url, remarks);
    if (!set) return fail(watch, set.error().detail, now);
    const std::string& name = watch->issuer->options().issuer;
    log(LogLevel::notice, "issuer ", name, ": ", (*set)->keys.size(), " keys from ", watch->keys_url);
    remarks.resize(std::min(remarks.size(), remarks_max));
    for (const std::string& remark : remarks) log(LogLevel::warn, "issuer ", name, ": ", remark);
    watch->issuer->publish(std::move(*set), keep_until_ms);
    watch->digest = std::move(digest);
  }
  watch->good_until_ms = keep_until_ms;
  watch->has_expired = false;
  succeed(watch, lifetime_ms(*watch, *response), now);
}

// As long as the issuer says, within bounds. A part of it is left to chance: never longer, so that what an issuer
// withdraws is gone in time.
std::int64_t Keeper::lifetime_ms(const Watch& watch, const fetch::Response& response) const {
  const std::int64_t most_ms = watch.issuer->options().refresh_ms;
  const std::int64_t least_ms = std::min(bounds_.refresh_ms_min, most_ms);
  const auto stated_s = lifetime_s(response.find("cache-control"), response.find("age"));
  const std::int64_t wanted_ms = stated_s ? std::clamp(*stated_s * 1000, least_ms, most_ms) : most_ms;
  return wanted_ms - static_cast<std::int64_t>(static_cast<double>(wanted_ms) * jitter_part * chance_());
}

void Keeper::succeed(const WatchPointer& watch, std::int64_t lifetime_ms, Now now) {
  if (watch->failures > 0) {
    log(LogLevel::notice, "issuer ", watch->issuer->options().issuer, ": its keys can be fetched again");
  }
  watch->failures = 0;
  watch->step = Step::idle;
  watch->due_ms = now.monotonic_ms + lifetime_ms;
  watch->state = {true, false, false, watch->state.ask_after_ms};
  watch->issuer->set_state(watch->state);
  tell(*watch, true, {});
}

void Keeper::fail(const WatchPointer& watch, const std::string& why, Now now) {
  const auth::IssuerOptions& options = watch->issuer->options();
  const bool has_keys = watch->issuer->generation(now) != 0;
  log(has_keys ? LogLevel::warn : LogLevel::error, "issuer ", options.issuer, ": ", why,
      has_keys ? "; the last keys stay in use" : "; locations that need its keys answer 503");
  const unsigned doublings = std::min(watch->failures, 10U);
  const std::int64_t pause_ms = std::min(bounds_.retry_ms_min << doublings, bounds_.retry_ms_max);
  ++watch->failures;
  watch->step = Step::idle;
  // Between half of it and all of it.
  const std::int64_t at_least_ms = pause_ms / 2, at_random_ms = pause_ms - at_least_ms;
  watch->due_ms =
      now.monotonic_ms + at_least_ms + static_cast<std::int64_t>(static_cast<double>(at_random_ms) * chance_());
  watch->metadata_until_ms = now.monotonic_ms;  // The keys may have moved.
  watch->state = {true, false, true, watch->state.ask_after_ms};
  watch->issuer->set_state(watch->state);
  tell(*watch, false, why);
}

void Keeper::tell(Watch& watch, bool is_known, const std::string& why) {
  for (const Told& told : std::exchange(watch.waiting, {})) told(is_known, why);
}

}  // namespace keepgate::issuer

#include "oauth/service.h"

#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "oauth/configured_passwords.h"
#include "oauth/revocations.h"
#include "oauth/schema.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t sweep_period_ms = 60'000;
// A sweep takes so many rows at once, and so much of the store's time; what is left waits for the next look.
constexpr std::int64_t sweep_rows = 200, sweep_ms_max = 50, sweep_look_ms = 1'000;
constexpr std::int64_t keys_period_ms = 60'000;
constexpr std::int64_t catch_up_s = 3'600;

// What has expired proves nothing any more. A clock that was set forward for a moment must not make us forget what was
// used or taken back; and a code that was used stays known for as long as its tokens may live. A pushed request that
// led to a page in time is used up by what the page sends, within the hour that it has (oauth/flow.h).
struct Expired {
  std::string_view statement;  // $1: the time; $2: how many. Returns a row for each.
  std::int64_t kept_s;         // Behind the end.
};
constexpr std::int64_t hour_s = 3'600, day_s = 86'400;
constexpr Expired expired[] = {
    {"DELETE FROM pushed_requests WHERE hash IN (SELECT hash FROM pushed_requests WHERE expires_s < $1 LIMIT $2) "
     "RETURNING hash",
     hour_s},
    {"DELETE FROM device_codes WHERE hash IN (SELECT hash FROM device_codes WHERE expires_s < $1 LIMIT $2) RETURNING "
     "hash",
     hour_s},
    {"DELETE FROM replays WHERE id IN (SELECT id FROM replays WHERE expires_s < $1 LIMIT $2) RETURNING id", hour_s},
    {"DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_s < $1 LIMIT $2) RETURNING hash", 0},
    {"DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE expires_s < $1 LIMIT $2) RETURNING hash", day_s},
    {"DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_s < $1 LIMIT $2) "
     "RETURNING hash",
     day_s},
    {"DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_s < $1 LIMIT $2) RETURNING id", day_s},
    {"DELETE FROM revocations WHERE version IN (SELECT version FROM revocations WHERE until_s < $1 LIMIT $2) RETURNING "
     "version",
     day_s},
};

std::string random_text() {
  std::array<unsigned char, 32> bytes{};
  crypto::random_bytes(bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Service::Service(ServiceOptions options) : options_(std::move(options)), nonce_key_(random_text()) {}

Service::~Service() { stop(); }

void Service::stop() {
  if (store_) store_->stop();
}

std::shared_ptr<const Settings> Service::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

std::string Service::derived_key(std::string_view purpose) const {
  const auto key = crypto::hmac_sha256(wrapping_key_.view(), cat("keepgate ", purpose));
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

Result<void> Service::start(std::shared_ptr<const Settings> settings) {
  std::shared_ptr<const Settings> before = std::move(settings);
  {
    const std::lock_guard lock(mutex_);
    std::swap(settings_, before);
  }
  const bool is_first = !store_;
  if (is_first) {
    auto opened = store::Transactor::open({.address = options_.store, .migrations = schema()});
    if (!opened) return std::unexpected(opened.error());
    auto key = wrapping_key_of(**opened, options_.key_file);
    if (!key) return std::unexpected(key.error());
    wrapping_key_ = std::move(*key);
    store_ = std::move(*opened);
  }
  const auto ready = store_->run([this](store::Database& database) -> Result<void> {
    const auto epoch = database.run("INSERT INTO facts (name, value) VALUES ('epoch', $1) ON CONFLICT DO NOTHING",
                                    {crypto::random_id()});
    if (!epoch) return std::unexpected(epoch.error());
    const auto swept = database.run("INSERT INTO facts (name, value) VALUES ('swept_until', $1) ON CONFLICT DO NOTHING",
                                    {cat(Now::read().wall_s())});
    if (!swept) return std::unexpected(swept.error());
    const auto kept = maintain_keys(database, *this->settings(), wrapping_key_, Now::read(), 0);
    if (!kept) return kept;
    const auto signed_out =
        sign_out_changed_users(database, *this->settings(), derived_key("passwords of the configuration"), Now::read());
    if (!signed_out) return signed_out;
    keys_are_due_ = true;
    return {};
  });
  // Read behind the commit, by the observer: what a transaction that is lost wrote must never count as seen.
  const Result<void> done = ready ? look(is_first) : ready;
  if (!done) {
    if (is_first) store_.reset();
    const std::lock_guard lock(mutex_);
    settings_ = std::move(before);
    return done;
  }
  if (is_first) {
    sweep_at_ms_ = sweep_clock_ms_ = Now::read().monotonic_ms + sweep_period_ms;
    store_->set_sweeper(sweep_look_ms, [this](store::Database& database) { return sweep(database); });
  }
  return {};
}

// The first time too: nothing is served before all of it was read.
Result<void> Service::look(bool is_first) {
  {
    const std::lock_guard lock(mutex_);
    last_look_ = store::store_unavailable("the store could not be read", ErrorKind::unreachable);
  }
  if (is_first) {
    store_->set_observer([this](store::Database& database) { observe(database); });
  } else {
    store_->observe();
  }
  const std::lock_guard lock(mutex_);
  return last_look_;
}

// What has changed since the last look, and only that.
Result<void> Service::refresh(store::Database& database) {
  const auto versions = database.run("SELECT name, value FROM versions");
  if (!versions) return std::unexpected(versions.error());
  std::int64_t clients = 0, revocations = 0, keys = 0;
  for (const store::Row& row : *versions) {
    const std::string name = store::text_of(row[0]);
    (name == "clients" ? clients : name == "keys" ? keys : revocations) = store::number_of(row[1]);
  }
  const Now now = Now::read();
  if (database.history() != seen_history_) {
    seen_clients_ = seen_revocations_ = seen_keys_ = nothing_seen;
    seen_history_ = database.history();
  }
  const auto before = state_.current();
  auto state = before ? std::make_shared<State>(*before) : std::make_shared<State>();
  const bool keys_are_due = keys_are_due_ || keys != seen_keys_ || now.monotonic_ms - keys_read_ms_ > keys_period_ms;
  if (before && clients == seen_clients_ && revocations == seen_revocations_ && !keys_are_due) return {};
  // One part that cannot be read keeps none of the others from being seen.
  Result<void> out;
  if (clients != seen_clients_) {
    auto loaded = load_clients(database, seen_clients_ == nothing_seen ? nullptr : state->clients.get());
    if (loaded) {
      state->clients = std::move(*loaded);
      seen_clients_ = clients;
    } else {
      out = std::unexpected(std::move(loaded.error()));
    }
  }
  if (revocations != seen_revocations_) {
    auto loaded = load_feed(database, state->revocations.get(), now);
    if (loaded) {
      state->revocations = std::move(*loaded);
      seen_revocations_ = revocations;
    } else {
      state->revocations = std::make_shared<RevocationFeed>();  // Without a list every token counts as revoked.
      out = std::unexpected(std::move(loaded.error()));
    }
  }
  if (keys_are_due) {
    auto loaded = load_keys(database, *settings(), wrapping_key_);
    if (loaded) {
      state->keys = std::move(*loaded);
      keys_are_due_ = false;
      seen_keys_ = keys;
      keys_read_ms_ = now.monotonic_ms;
    } else {
      out = std::unexpected(std::move(loaded.error()));
    }
  }
  // INVARIANT: what was marked as seen is published, or it would never be looked at again.
  if (!state->keys) {  // At the start: there is nothing to serve with.
    seen_clients_ = seen_revocations_ = seen_keys_ = nothing_seen;
    return out;
  }
  state_.publish(std::move(state));
  return out;
}

void Service::observe(store::Database& database) {
  const auto done = refresh(database);
  if (!done) log(LogLevel::error, "the authorization server cannot read its store: ", done.error().detail);
  const std::lock_guard lock(mutex_);
  last_look_ = done;
}

// Until when what has expired may be forgotten: the clock of the wall, and never an hour more than the sweep before. A
// clock that jumps ahead and back has deleted an hour's worth a minute, and nothing that is kept for a day; a jump that
// is real, or a long time without this program, is caught up with in a while.
Result<Now> Service::sweeping_time(store::Database& database, Now now) {
  const auto rows = database.run("SELECT value FROM facts WHERE name = 'swept_until'");
  if (!rows) return std::unexpected(rows.error());
  const auto swept_s =
      rows->empty() ? std::optional<std::uint64_t>() : parse_unsigned<std::uint64_t>(store::text_of((*rows)[0][0]));
  std::int64_t until_s = now.wall_s();
  if (swept_s) until_s = std::min(until_s, static_cast<std::int64_t>(*swept_s) + catch_up_s);
  const auto kept = database.run(
      "INSERT INTO facts (name, value) VALUES ('swept_until', $1) ON CONFLICT (name) DO UPDATE SET value = "
      "excluded.value",
      {cat(until_s)});
  if (!kept) return std::unexpected(kept.error());
  return Now{now.monotonic_ms, until_s * 1000};
}

Result<void> Service::sweep(store::Database& database) {
  const Now now = Now::read();
  if (now.monotonic_ms < sweep_at_ms_) return {};
  if (now.monotonic_ms >= sweep_clock_ms_) {
    const auto until = sweeping_time(database, now);
    if (!until) return std::unexpected(until.error());
    sweep_until_s_ = until->wall_s();
    sweep_clock_ms_ = now.monotonic_ms + sweep_period_ms;
    keys_are_due_ = true;
    const auto kept = maintain_keys(database, *settings(), wrapping_key_, now, sweep_until_s_);
    if (!kept) return kept;
  }
  const auto is_over = sweep_a_while(database);
  if (!is_over) return std::unexpected(is_over.error());
  sweep_at_ms_ = *is_over ? sweep_clock_ms_ : now.monotonic_ms + sweep_look_ms;
  return {};
}

// true: nothing is left that has expired. Each kind has its turn, however much there is of another.
Result<bool> Service::sweep_a_while(store::Database& database) {
  const std::int64_t end_ms = Now::read().monotonic_ms + sweep_ms_max;
  std::size_t done_kinds = 0;
  while (done_kinds < std::size(expired)) {
    if (Now::read().monotonic_ms >= end_ms) return false;
    const Expired& one = expired[sweep_next_];
    sweep_next_ = (sweep_next_ + 1) % std::size(expired);
    const auto gone = database.run(one.statement, {sweep_until_s_ - one.kept_s, sweep_rows});
    if (!gone) return std::unexpected(gone.error());
    done_kinds = static_cast<std::int64_t>(gone->size()) < sweep_rows ? done_kinds + 1 : 0;
  }
  return true;
}

}  // namespace keepgate::oauth

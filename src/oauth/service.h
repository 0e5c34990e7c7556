// Service: the authorization server while it runs: its store, its keys, what it knows of clients and revocations.
//
// One object for each store, kept over reloads. Thread rule: made and started by the main thread; state() from any
// thread; what writes goes through the store's thread. Lifetime: outlives the workers that use it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "auth/revocations.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/published.h"
#include "crypto/secret.h"
#include "identity/replay.h"
#include "oauth/attempt_limits.h"
#include "oauth/client_directory.h"
#include "oauth/key_ring.h"
#include "oauth/revocation_log.h"
#include "oauth/settings.h"
#include "oauth/verified_tokens.h"
#include "store/transactor.h"

namespace keepgate::oauth {

// What was taken back, as gateways and guards are told it.
struct RevocationFeed {
  std::int64_t version = 0;
  std::string epoch;  // Of the store: another one when it began anew.
  RevocationLog log;  // In the form of a file of revocations.
  std::shared_ptr<const auth::RevocationList> list;
};

// What is read without asking the store. Replaced whole when the store changes, whoever changed it.
struct State {
  std::shared_ptr<const ClientDirectory> clients;
  std::shared_ptr<const KeyRing> keys;
  std::shared_ptr<const RevocationFeed> revocations;
};

struct ServiceOptions {
  store::StoreAddress store;
  std::string key_file;  // Wraps the signing keys; made when it is missing.
  bool operator==(const ServiceOptions&) const = default;
};

class Service {
 public:
  explicit Service(ServiceOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const ServiceOptions& options() const { return options_; }
  // Opens the store (first start: makes it), makes keys, reads everything. A second time: takes the new settings.
  // Error: says what is wrong, for an operator.
  Result<void> start(std::shared_ptr<const Settings> settings);
  void stop();

  const Published<State>& state() const { return state_; }
  store::Transactor& store() { return *store_; }
  bool started() const { return store_ != nullptr; }
  // A key of its own for each purpose; the same in every process of this server.
  std::string derived_key(std::string_view purpose) const;
  const crypto::SecretText& wrapping_key() const { return wrapping_key_; }
  identity::ReplayStore& proofs() { return proofs_; }  // DPoP proofs that were used.
  VerifiedTokens& verified_tokens() { return verified_tokens_; }
  AttemptLimits& attempts() { return attempts_; }
  const std::string& nonce_key() const { return nonce_key_; }  // New with each start.

 private:
  std::shared_ptr<const Settings> settings() const;
  Result<void> look(bool is_first);
  Result<void> refresh(store::Database& database);
  void observe(store::Database& database);
  Result<Now> sweeping_time(store::Database& database, Now now);
  Result<void> sweep(store::Database& database);
  Result<bool> sweep_a_while(store::Database& database);

  const ServiceOptions options_;
  crypto::SecretText wrapping_key_;
  std::string nonce_key_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Settings> settings_;  // Under mutex_.
  Result<void> last_look_;                    // Under mutex_: how refresh() ended.
  Published<State> state_;
  // Of the store's thread, or before it runs.
  static constexpr std::int64_t nothing_seen = -1;
  std::string seen_history_;  // Of the database: another one, and nothing that was seen counts.
  std::int64_t seen_clients_ = nothing_seen, seen_revocations_ = nothing_seen, seen_keys_ = nothing_seen;
  bool keys_are_due_ = true;
  std::int64_t keys_read_ms_ = 0;
  // Of sweeping: when to go on, when to look at the clock again, what time it is for it, and where it stopped.
  std::int64_t sweep_at_ms_ = 0, sweep_clock_ms_ = 0, sweep_until_s_ = 0;
  std::size_t sweep_next_ = 0;
  identity::ReplayStore proofs_;
  AttemptLimits attempts_;
  VerifiedTokens verified_tokens_;
  std::unique_ptr<store::Transactor> store_;  // Last: its thread uses all of the above.
};

}  // namespace keepgate::oauth

// Worker: what one worker thread owns: its loop, its view of the configuration, its caches and its connections.
//
// Thread rule: everything belongs to the worker's thread, but for what the members' own headers allow.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/jwt.h"
#include "auth/need.h"
#include "auth/revocation_sources.h"
#include "base/published.h"
#include "net/background.h"
#include "net/loop.h"
#include "pipeline/buffer.h"
#include "pipeline/counters.h"
#include "pipeline/snapshot.h"

namespace keepgate::upstream {
class NamedGroups;
class Pools;
}  // namespace keepgate::upstream

namespace keepgate::pipeline {

class Connection;
class Exchange;
class Mirrors;
class Supplier;

// For a line that would otherwise be logged over and over: due at once, then not for a while.
class RareNews {
 public:
  bool is_due(std::int64_t now_ms) {
    if (now_ms < silent_until_ms_) return false;
    silent_until_ms_ = now_ms + silence_ms;
    return true;
  }

 private:
  static constexpr std::int64_t silence_ms = 5'000;
  std::int64_t silent_until_ms_ = INT64_MIN;
};

// What a kind of content remembers for a worker.
struct WorkerCache {
  virtual ~WorkerCache() = default;
};

struct Worker final : net::Admission {
  Worker(net::Loop& its_loop, const Published<Snapshot>& snapshots, unsigned its_number);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  net::Loop& loop;
  Published<Snapshot>::Reader snapshot;
  unsigned number;
  auth::TokenCache token_cache;
  auth::TurnShare auth_share{costly_checks_per_turn};
  std::array<Supplier*, auth::need_kinds> suppliers{};  // By NeedKind; set by the composition, nullptr: none.
  upstream::Pools* upstreams = nullptr;                 // Set by the composition before the first connection.
  upstream::NamedGroups* named_groups = nullptr;        // Likewise.
  Mirrors* mirrors = nullptr;                           // Likewise; nullptr: no request is mirrored.
  std::unique_ptr<WorkerCache> target_plans;            // Of proxy_pass with variables.
  std::shared_ptr<net::ReplyAddress> reply_address;     // Where other threads answer to.
  BufferPool buffers;
  Counters counters;
  std::string scratch;  // For heads being built. INVARIANT: its content does not live over a wait.

  // Signatures that are seen for the first time, in one turn of the loop: less than half a millisecond of it.
  static constexpr unsigned costly_checks_per_turn = 4;

  // What the newest configuration's sources of revocations say at this moment, whatever snapshot a connection has;
  // nullptr: nothing is revoked. Valid until the next call.
  const auth::Revocations* revocations();

  // "Date: …\r\n" of the current second.
  std::string_view date_line();
  // Unique, not secret: a random prefix and a counter.
  std::uint64_t next_number() { return ++counter_; }
  std::uint64_t id_prefix() const { return id_prefix_; }

  // Exchanges are big and kept; take_exchange() returns one that was reset.
  std::unique_ptr<Exchange> take_exchange();
  void give_back(std::unique_ptr<Exchange> exchange);

  // Draining: answers say `Connection: close`; connections that wait for a request have a moment left.
  bool draining = false;
  Connection* connections = nullptr;  // All live ones, in a list.
  std::size_t connection_count = 0;
  static constexpr std::int64_t farewell_ms = 1'000;  // The moment that they have left.
  void drain();
  void reconsider_idle();  // What connections that wait for a request were told may have changed: a reload, draining.

  // Connections between requests; the one that waits longest is the first to make room for others when connections or
  // descriptors run out (nginx: reusable connections).
  void begin_reusable(Connection& connection);
  void end_reusable(Connection& connection);
  // Closes some of those that wait longest: they are gone in the next turn. Tells how many.
  std::size_t close_longest_idle();
  // worker_connections bounds everything that the loop watches: clients, upstreams, listeners.
  bool admit() override;
  bool relieve() override { return close_longest_idle() > 0; }
  RareNews exhaustion_news;

 private:
  Connection* longest_idle_ = nullptr;
  Connection* newest_idle_ = nullptr;
  std::size_t idle_count_ = 0;
  RareNews reuse_news_, full_news_;
  std::shared_ptr<const auth::RevocationSources> revocation_sources_;
  std::vector<Published<auth::RevocationList>::Reader> revocation_lists_;  // One for each of them.
  auth::Revocations revocations_;

  std::vector<std::unique_ptr<Exchange>> spare_exchanges_;
  std::uint64_t id_prefix_ = 0;
  std::uint64_t counter_ = 0;
  std::int64_t date_second_ = -1;
  char date_[37];
};

}  // namespace keepgate::pipeline

// Balance: which peer of a group is next, by the group's method, with passive failure counting as nginx has it.
//
// One worker's view of one group. A pick gives a Lease: the peer counts as busy until the lease ends, however it ends.
// Where workers share their peers (`zone`) a place under a bound is taken by one of them only; positions of the
// rotation are each worker's own. Thread rule: one worker's. Lifetime: outlives its leases; a peer that left the group
// lives until its last lease ends. balance.cc keeps the view, choose.cc has the methods, outcome.cc the consequences.
// Source: nginx's documentation of upstream.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "net/stream.h"
#include "net/task.h"
#include "upstream/hash.h"
#include "upstream/peer.h"

namespace keepgate::upstream {

// One worker's side of a peer.
struct Seat {
  std::shared_ptr<Peer> peer;
  std::uint64_t origin = 0;  // The id of the group's peer: `peer` is that one, or this worker's own with its settings.
  std::size_t number = 0;    // Small and unique among the seats that live: an index for what belongs to the peer.
  std::int64_t current_weight = 0;
  std::uint32_t leases = 0;
};

// The peers that one request was at already.
class Tried {
 public:
  void add(const Peer& peer) { ids_.push_back(peer.id); }
  bool has(const Peer& peer) const { return std::ranges::find(ids_, peer.id) != ids_.end(); }
  bool empty() const { return ids_.empty(); }

 private:
  std::vector<std::uint64_t> ids_;
};

struct PickInput {
  std::string_view key = {};     // Of `hash`.
  std::string_view client = {};  // Of `ip_hash`: the client's address, 4 or 16 bytes, or none.
  const Tried& tried;
  std::int64_t now_ms = 0;
  bool is_new = false;       // The first pick of a request: it counts for the retry budget.
  bool waited_turn = false;  // At the head of the queue.
};

class Balance;

// A choice. Ends on destruction.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept : seat_(std::exchange(other.seat_, nullptr)), balance_(other.balance_) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      end();
      seat_ = std::exchange(other.seat_, nullptr);
      balance_ = other.balance_;
    }
    return *this;
  }
  ~Lease() { end(); }

  explicit operator bool() const { return seat_ != nullptr; }
  const Seat& seat() const { return *seat_; }
  const Peer& peer() const { return *seat_->peer; }
  // What the peer did, once it is known. It answered.
  void succeeded(std::int64_t now_ms);
  // It could not be reached, broke, or gave an answer that proxy_next_upstream lists.
  void failed(std::int64_t now_ms);
  // It answered with a 5xx of its own that is passed on: a failure for `outlier_ejection` alone.
  void failed_status(std::int64_t now_ms);
  void end();

 private:
  friend class Balance;
  Lease(Seat& seat, Balance& balance) : seat_(&seat), balance_(&balance) {}
  Seat* seat_ = nullptr;
  Balance* balance_ = nullptr;
};

class Balance {
 public:
  explicit Balance(std::shared_ptr<const Group> group);
  Balance(const Balance&) = delete;
  Balance& operator=(const Balance&) = delete;

  // The next peer not in `tried`. An empty lease when all were tried, are out or busy, or others wait already.
  Lease pick(const PickInput& input);
  // Is there one to pick now?
  bool has_other(const PickInput& input);
  // `queue`: waits until there is one. An empty lease when the line is full, the time is over or the client is gone.
  bool has_queue() const { return group_->queue > 0; }
  net::Task<Lease> wait_in_line(const PickInput& input, net::Stream& client);
  // Whether the retry budget allows another attempt; it is counted then.
  bool may_retry(std::int64_t now_ms) { return group_->budget->take(now_ms); }
  std::size_t peer_count();  // Now; for bounds on retries.

 private:
  friend class Lease;
  using Seats = std::vector<Seat*>;

  void refresh();
  void take_over(const PeerSet& set);
  void build_ring();
  Seat& seat_for(const std::shared_ptr<Peer>& published, std::vector<std::unique_ptr<Seat>>& old);
  std::size_t free_number() const;
  Lease lease_from(const Seats& seats, Method method, const PickInput& input);
  bool take(Seat& seat, std::int64_t now_ms);
  bool claim_try(Peer& peer, std::int64_t now_ms);
  void ended(Seat& seat);
  WaitLine& line() { return group_->peers->shared() ? group_->peers->line() : own_line_; }

  // choose.cc
  bool usable(const Peer& peer, const PickInput& input) const;
  std::int64_t scaled(const Peer& peer, std::int64_t weight, std::int64_t now_ms) const;
  Seat* choose(const Seats& seats, Method method, const PickInput& input);
  Seat* next_by_weight(const Seats& seats, const PickInput& input);
  Seat* least_busy(const Seats& seats, const PickInput& input);
  Seat* by_address(const Seats& seats, const PickInput& input) const;
  Seat* by_key(const Seats& seats, const PickInput& input) const;
  Seat* by_ring(const PickInput& input);
  Seat* at_random(const Seats& seats, bool best_of_two, const PickInput& input);
  Seat* at_weight(const Seats& seats, std::uint64_t position) const;

  // outcome.cc
  void note_failure(Peer& peer, std::int64_t now_ms);
  void say(std::string_view what, const Peer& peer) const;

  std::shared_ptr<const Group> group_;
  std::shared_ptr<RetryBudget::Lane> lane_;
  Published<PeerSet>::Reader reader_;
  std::shared_ptr<const PeerSet> set_;
  std::vector<std::unique_ptr<Seat>> seats_;    // Of set_.
  std::vector<std::unique_ptr<Seat>> leaving_;  // Of earlier sets, still leased.
  Seats primary_, backup_;                      // In seats_.
  std::uint64_t primary_weight_ = 0;            // Of all, whatever they do: keys keep their places.
  bool starts_slowly_ = false;                  // Some server has slow_start.
  Ring ring_;
  std::vector<Seats> ring_owners_;  // The seats of each name on the ring.
  Seats equals_;                    // Of least_conn, while it compares.
  std::uint64_t random_;
  WaitLine own_line_;  // Where peers are not shared.
};

}  // namespace keepgate::upstream

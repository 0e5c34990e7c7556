// Balance: which peer of a group is next: smooth weighted round robin, with passive failure counting as nginx has it.
//
// One worker's view of one group. A pick gives a Lease: the peer counts as busy until the lease ends, however it ends.
// Where workers share their peers (`zone`) a place under a bound is taken by one of them only.
// Thread rule: one worker's. Lifetime: outlives its leases; a peer that left the group lives until its last lease ends.
// Source: nginx's documentation of upstream (weight, max_fails, fail_timeout, backup, down).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

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
  std::string_view client = {};  // The client's address: 4 or 16 bytes, or none.
  const Tried& tried;
  std::int64_t now_ms = 0;
};

class Balance;

// A choice. Ends on destruction; what succeeded() or failed() said last is how the peer did.
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
  // It answered. / It could not be reached, broke, or gave an answer that counts as a failure.
  void succeeded();
  void failed(std::int64_t now_ms);
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

  // The next peer not in `tried`. An empty lease when all were tried or are out.
  Lease pick(const PickInput& input);
  std::size_t peer_count();  // Now; for bounds on retries.

 private:
  friend class Lease;
  using Seats = std::vector<Seat*>;

  void refresh();
  void take_over(const PeerSet& set);
  Seat& seat_for(const std::shared_ptr<Peer>& published, std::vector<std::unique_ptr<Seat>>& old);
  std::size_t free_number() const;
  bool usable(const Peer& peer, const PickInput& input) const;
  Seat* next_by_weight(const Seats& seats, const PickInput& input);
  static bool claim(Peer& peer, std::int64_t now_ms);
  Lease lease_from(const Seats& seats, const PickInput& input);
  void ended(Seat& seat);

  std::shared_ptr<const Group> group_;
  Published<PeerSet>::Reader reader_;
  std::shared_ptr<const PeerSet> set_;
  std::vector<std::unique_ptr<Seat>> seats_;    // Of set_.
  std::vector<std::unique_ptr<Seat>> leaving_;  // Of earlier sets, still leased.
  Seats primary_, backup_;                      // In seats_.
};

}  // namespace keepgate::upstream

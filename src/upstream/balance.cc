#include "upstream/balance.h"

#include <random>

#include "base/log.h"

namespace keepgate::upstream {

namespace {
// Those who wait look again by themselves: a server may come back without anybody's request ending.
constexpr std::int64_t look_again_ms = 100;
constexpr std::int64_t half_closed_grace_ms = 1'000;  // A client that closed its side may still be reading.
}  // namespace

Balance::Balance(std::shared_ptr<const Group> group)
    : group_(std::move(group)),
      lane_(group_->budget->open_lane()),
      reader_(group_->peers->published()),
      random_(std::random_device{}() | 1ULL) {}

void Balance::refresh() {
  const std::shared_ptr<const PeerSet>& now = reader_.get();
  if (now == set_) return;
  set_ = now;
  take_over(*set_);
}

void Balance::take_over(const PeerSet& set) {
  std::vector<std::unique_ptr<Seat>> old = std::move(seats_);
  seats_.clear();
  primary_.clear();
  backup_.clear();
  primary_weight_ = 0;
  starts_slowly_ = false;
  for (const auto& peer : set.peers) {
    Seat& seat = seat_for(peer, old);
    const Server& server = peer->server;
    starts_slowly_ = starts_slowly_ || server.slow_start_ms > 0;
    if (!server.backup) primary_weight_ += server.weight;
    (server.backup ? backup_ : primary_).push_back(&seat);
  }
  for (auto& seat : old) {
    if (seat && seat->leases > 0) leaving_.push_back(std::move(seat));
  }
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i]->number == SIZE_MAX) seats_[i]->number = free_number();
  }
  if (group_->method == Method::consistent_hash) build_ring();
}

// Servers are on the ring by name: the addresses of one name share its points.
void Balance::build_ring() {
  std::vector<Ring::Owner> owners;
  ring_owners_.clear();
  for (Seat* const seat : primary_) {
    const Server& server = seat->peer->server;
    const auto known = std::ranges::find(owners, server.name, &Ring::Owner::name);
    if (known == owners.end()) {
      owners.push_back({server.name, server.weight});
      ring_owners_.push_back({seat});
    } else {
      known->weight = std::max(known->weight, server.weight);
      ring_owners_[static_cast<std::size_t>(known - owners.begin())].push_back(seat);
    }
  }
  ring_ = Ring(owners);
}

Seat& Balance::seat_for(const std::shared_ptr<Peer>& published, std::vector<std::unique_ptr<Seat>>& old) {
  for (auto* const seats : {&old, &leaving_}) {
    const auto known = std::ranges::find_if(*seats, [&](const auto& s) { return s && s->origin == published->id; });
    if (known == seats->end()) continue;
    seats_.push_back(std::move(*known));
    seats->erase(known);
    return *seats_.back();
  }
  auto seat = std::make_unique<Seat>();
  seat->origin = published->id;
  seat->peer = group_->peers->shared() ? published : std::make_shared<Peer>(published->server, false);
  seat->number = SIZE_MAX;
  return *seats_.emplace_back(std::move(seat));
}

std::size_t Balance::free_number() const {
  std::vector<bool> taken(seats_.size() + leaving_.size() + 1);
  for (const auto* const seats : {&seats_, &leaving_}) {
    for (const auto& seat : *seats) {
      if (seat->number < taken.size()) taken[seat->number] = true;
    }
  }
  return static_cast<std::size_t>(std::ranges::find(taken, false) - taken.begin());
}

std::size_t Balance::peer_count() {
  refresh();
  return seats_.size();
}

bool Balance::has_other(const PickInput& input) {
  refresh();
  return std::ranges::any_of(seats_, [&](const auto& seat) { return usable(*seat->peer, input); });
}

// A peer whose fail_timeout is over is given one try, by one worker, before it counts as sound again.
bool Balance::claim_try(Peer& peer, std::int64_t now_ms) {
  std::int64_t until_ms = peer.ejected_until_ms.load(std::memory_order_relaxed);
  if (until_ms != 0 && peer.recovered_ms.load(std::memory_order_relaxed) < until_ms) {
    peer.recovered_ms.store(std::max(now_ms, until_ms), std::memory_order_relaxed);
    say("upstream server is back after its ejection", peer);
  }
  std::int64_t before = peer.checked_ms.load(std::memory_order_relaxed);
  if (now_ms - before <= peer.server.fail_timeout_ms) return true;
  if (peer.checked_ms.compare_exchange_strong(before, now_ms, std::memory_order_relaxed)) return true;
  return peer.server.fails_max == 0 || peer.fails.load(std::memory_order_relaxed) < peer.server.fails_max;
}

// False: another worker was quicker.
bool Balance::take(Seat& seat, std::int64_t now_ms) {
  if (!seat.peer->enter()) return false;
  if (seats_.size() > 1 && !claim_try(*seat.peer, now_ms)) {
    seat.peer->leave();
    return false;
  }
  ++seat.leases;
  return true;
}

Lease Balance::lease_from(const Seats& seats, Method method, const PickInput& input) {
  // Between a look and the claim a place may go to another worker: as often as there are seats, no more.
  for (std::size_t round = 0; round <= seats.size(); ++round) {
    Seat* const seat = choose(seats, method, input);
    if (seat == nullptr) break;
    if (take(*seat, input.now_ms)) return {*seat, *this};
  }
  return {};
}

Lease Balance::pick(const PickInput& input) {
  refresh();
  if (input.is_new) lane_->requests.add(input.now_ms);
  if (has_queue() && !input.waited_turn && input.tried.empty() && !line().empty()) return {};
  Lease lease = lease_from(primary_, group_->method, input);
  if (lease || backup_.empty()) return lease;
  return lease_from(backup_, group_->method == Method::least_conn ? Method::least_conn : Method::round_robin, input);
}

net::Task<Lease> Balance::wait_in_line(const PickInput& input, net::Stream& client) {
  PickInput turn = input;
  turn.is_new = false;
  turn.waited_turn = true;
  WaitLine::Place place{client};
  WaitLine& its_line = line();
  Lease lease;
  if (!its_line.enter(place, group_->queue)) co_return lease;
  log(LogLevel::debug, "a request waits for a server, upstream: \"", group_->name, '"');
  std::int64_t deadline_ms = input.now_ms + group_->queue_timeout_ms;
  while (true) {
    turn.now_ms = client.loop().now().monotonic_ms;
    if (its_line.is_first(place)) lease = pick(turn);
    if (lease || turn.now_ms >= deadline_ms || client.broken() || client.cancelled()) break;
    const std::int64_t again_ms = std::min(deadline_ms, turn.now_ms + look_again_ms);
    if (!client.hung_up()) {
      const net::Wake wake = co_await client.wait_hangup(again_ms);
      if (wake == net::Wake::hangup) deadline_ms = std::min(deadline_ms, turn.now_ms + half_closed_grace_ms);
    } else {
      co_await net::SleepUntil(client.loop(), again_ms);
    }
  }
  its_line.leave(place);
  if (!its_line.empty()) its_line.wake_first();  // There may be more than one free place.
  co_return lease;
}

void Balance::ended(Seat& seat) {
  seat.peer->leave();
  if (has_queue() && !line().empty()) line().wake_first();
  if (--seat.leases > 0 || leaving_.empty()) return;
  std::erase_if(leaving_, [&](const auto& one) { return one.get() == &seat; });
}

void Lease::end() {
  if (seat_ != nullptr) balance_->ended(*std::exchange(seat_, nullptr));
}

}  // namespace keepgate::upstream

#include "upstream/balance.h"

#include "base/log.h"

namespace keepgate::upstream {

Balance::Balance(std::shared_ptr<const Group> group) : group_(std::move(group)), reader_(group_->peers->published()) {}

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
  for (const auto& peer : set.peers) {
    Seat& seat = seat_for(peer, old);
    (peer->server.backup ? backup_ : primary_).push_back(&seat);
  }
  for (auto& seat : old) {
    if (seat && seat->leases > 0) leaving_.push_back(std::move(seat));
  }
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i]->number == SIZE_MAX) seats_[i]->number = free_number();
  }
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

bool Balance::usable(const Peer& peer, const PickInput& input) const {
  if (peer.server.down || (!input.tried.empty() && input.tried.has(peer))) return false;
  if (peer.health.load(std::memory_order_relaxed) == Health::unhealthy) return false;
  // A lone server is always tried: there is nobody to spare it for.
  if (seats_.size() == 1 || peer.server.fails_max == 0) return true;
  return peer.fails.load(std::memory_order_relaxed) < peer.server.fails_max ||
         input.now_ms - peer.checked_ms.load(std::memory_order_relaxed) > peer.server.fail_timeout_ms;
}

// Smooth weighted round robin. A weight that failures reduced recovers by one with every choice.
Seat* Balance::next_by_weight(const Seats& seats, const PickInput& input) {
  Seat* best = nullptr;
  std::int64_t total = 0;
  for (Seat* const seat : seats) {
    Peer& peer = *seat->peer;
    if (!usable(peer, input)) continue;
    const std::int64_t weight = peer.effective_weight.load(std::memory_order_relaxed);
    seat->current_weight += weight;
    total += weight;
    if (weight < static_cast<std::int64_t>(peer.server.weight)) {
      peer.effective_weight.store(weight + 1, std::memory_order_relaxed);
    }
    if (best == nullptr || seat->current_weight > best->current_weight) best = seat;
  }
  if (best != nullptr) best->current_weight -= total;
  return best;
}

// A peer whose fail_timeout is over is given one try, by one worker, before it counts as sound again.
bool Balance::claim(Peer& peer, std::int64_t now_ms) {
  std::int64_t before = peer.checked_ms.load(std::memory_order_relaxed);
  if (now_ms - before <= peer.server.fail_timeout_ms) return true;
  const bool first = peer.checked_ms.compare_exchange_strong(before, now_ms, std::memory_order_relaxed);
  return first || peer.fails.load(std::memory_order_relaxed) == 0;
}

Lease Balance::lease_from(const Seats& seats, const PickInput& input) {
  // Another worker may take the last place between a look and the claim: as often as there are seats, no more.
  for (std::size_t round = 0; round <= seats.size(); ++round) {
    Seat* const seat = next_by_weight(seats, input);
    if (seat == nullptr) return {};
    if (!claim(*seat->peer, input.now_ms)) continue;
    ++seat->leases;
    seat->peer->add_active(1);
    return {*seat, *this};
  }
  return {};
}

Lease Balance::pick(const PickInput& input) {
  refresh();
  if (seats_.size() == 1) {
    Seat& seat = *seats_.front();
    if (!usable(*seat.peer, input)) return {};
    ++seat.leases;
    seat.peer->add_active(1);
    return {seat, *this};
  }
  Lease lease = lease_from(primary_, input);
  return lease || backup_.empty() ? std::move(lease) : lease_from(backup_, input);
}

void Balance::ended(Seat& seat) {
  seat.peer->add_active(static_cast<std::uint32_t>(-1));
  if (--seat.leases > 0 || leaving_.empty()) return;
  std::erase_if(leaving_, [&](const auto& one) { return one.get() == &seat; });
}

void Lease::end() {
  if (seat_ != nullptr) balance_->ended(*std::exchange(seat_, nullptr));
}

// Sound again: but only an answer to a try that came after the failure says so (nginx's rule), so that failures count
// that lie within one fail_timeout.
void Lease::succeeded() {
  Peer& peer = *seat_->peer;
  if (peer.fails.load(std::memory_order_relaxed) == 0) return;
  if (peer.failed_ms.load(std::memory_order_relaxed) < peer.checked_ms.load(std::memory_order_relaxed)) {
    peer.fails.store(0, std::memory_order_relaxed);
  }
}

void Lease::failed(std::int64_t now_ms) {
  Peer& peer = *seat_->peer;
  const Server& server = peer.server;
  const std::uint32_t fails = peer.fails.fetch_add(1, std::memory_order_relaxed) + 1;
  peer.failed_ms.store(now_ms, std::memory_order_relaxed);
  peer.checked_ms.store(now_ms, std::memory_order_relaxed);
  if (server.fails_max == 0) return;
  const std::int64_t lighter = peer.effective_weight.load(std::memory_order_relaxed) - server.weight / server.fails_max;
  peer.effective_weight.store(std::max<std::int64_t>(lighter, 0), std::memory_order_relaxed);
  if (fails == server.fails_max && balance_->seats_.size() > 1) {
    log(LogLevel::warn, "upstream server temporarily disabled, upstream: \"", balance_->group_->name,
        "\", server: ", server.name, " (", peer.text, ")");
  }
}

}  // namespace keepgate::upstream

// The methods. Each looks at every seat once or at a bounded number of them, and returns a usable one or none.
#include "upstream/balance.h"

namespace keepgate::upstream {

namespace {
constexpr unsigned looks_max = 21;  // Of the methods that jump: nginx then takes the next by weight.
}  // namespace

bool Balance::usable(const Peer& peer, const PickInput& input) const {
  if (peer.server.down || peer.busy() || (!input.tried.empty() && input.tried.has(peer))) return false;
  if (peer.health.load(std::memory_order_relaxed) == Health::unhealthy) return false;
  // A lone server is always tried: there is nobody to spare it for.
  return seats_.size() == 1 || (!peer.failed(input.now_ms) && !peer.ejected(input.now_ms));
}

// All weights are a hundred times as large where some may count in part only: the order stays the same.
std::int64_t Balance::scaled(const Peer& peer, std::int64_t weight, std::int64_t now_ms) const {
  return starts_slowly_ ? weight * peer.weight_percent(now_ms) : weight;
}

Seat* Balance::choose(const Seats& seats, Method method, const PickInput& input) {
  if (seats.empty()) return nullptr;
  if (seats.size() == 1) return usable(*seats.front()->peer, input) ? seats.front() : nullptr;
  Seat* found = nullptr;
  switch (method) {
    case Method::round_robin:
      break;
    case Method::least_conn:
      return least_busy(seats, input);
    case Method::ip_hash:
      found = by_address(seats, input);
      break;
    case Method::hash:
      found = by_key(seats, input);
      break;
    case Method::consistent_hash:
      found = by_ring(input);
      break;
    case Method::random:
    case Method::random_two:
      found = at_random(seats, method == Method::random_two, input);
      break;
  }
  return found != nullptr ? found : next_by_weight(seats, input);
}

// Smooth weighted round robin. A weight that failures reduced recovers by one with every choice.
Seat* Balance::next_by_weight(const Seats& seats, const PickInput& input) {
  Seat* best = nullptr;
  std::int64_t total = 0;
  for (Seat* const seat : seats) {
    Peer& peer = *seat->peer;
    if (!usable(peer, input)) continue;
    const std::int64_t effective = peer.effective_weight.load(std::memory_order_relaxed);
    const std::int64_t weight = scaled(peer, effective, input.now_ms);
    seat->current_weight += weight;
    total += weight;
    if (effective < static_cast<std::int64_t>(peer.server.weight)) {
      peer.effective_weight.store(effective + 1, std::memory_order_relaxed);
    }
    if (best == nullptr || seat->current_weight > best->current_weight) best = seat;
  }
  if (best != nullptr) best->current_weight -= total;
  return best;
}

// The one with the fewest requests for its weight; among equals the next by weight.
Seat* Balance::least_busy(const Seats& seats, const PickInput& input) {
  Seats& equals = equals_;
  equals.clear();
  std::int64_t least = 0, least_weight = 1;
  for (Seat* const seat : seats) {
    const Peer& peer = *seat->peer;
    if (!usable(peer, input)) continue;
    const std::int64_t weight = scaled(peer, peer.server.weight, input.now_ms);
    const std::int64_t active = peer.active.load(std::memory_order_relaxed);
    if (!equals.empty() && active * least_weight > least * weight) continue;
    if (equals.empty() || active * least_weight < least * weight) {
      equals.clear();
      least = active;
      least_weight = weight;
    }
    equals.push_back(seat);
  }
  if (equals.size() <= 1) return equals.empty() ? nullptr : equals.front();
  return next_by_weight(equals, input);
}

// The seat whose weight covers `position` of the sum of all weights.
Seat* Balance::at_weight(const Seats& seats, std::uint64_t position) const {
  position %= primary_weight_;
  for (Seat* const seat : seats) {
    if (position < seat->peer->server.weight) return seat;
    position -= seat->peer->server.weight;
  }
  return seats.back();
}

Seat* Balance::by_address(const Seats& seats, const PickInput& input) const {
  AddressHash hash(input.client);
  for (unsigned look = 0; look < looks_max; ++look) {
    Seat* const seat = at_weight(seats, hash.next());
    if (usable(*seat->peer, input)) return seat;
  }
  return nullptr;
}

Seat* Balance::by_key(const Seats& seats, const PickInput& input) const {
  if (input.key.empty()) return nullptr;
  KeyHash hash(input.key);
  for (unsigned look = 0; look < looks_max; ++look) {
    Seat* const seat = at_weight(seats, hash.next());
    if (usable(*seat->peer, input)) return seat;
  }
  return nullptr;
}

Seat* Balance::by_ring(const PickInput& input) {
  if (input.key.empty() || ring_.empty()) return nullptr;
  const std::size_t place = ring_.find(input.key);
  for (unsigned look = 0; look < looks_max; ++look) {
    if (Seat* const seat = next_by_weight(ring_owners_[ring_.owner_at(place + look)], input)) return seat;
  }
  return nullptr;
}

Seat* Balance::at_random(const Seats& seats, bool best_of_two, const PickInput& input) {
  Seat* first = nullptr;
  for (unsigned look = 0; look < looks_max; ++look) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    Seat* const seat = at_weight(seats, random_ >> 16);
    if (seat == first || !usable(*seat->peer, input)) continue;
    if (!best_of_two) return seat;
    if (first == nullptr) {
      first = seat;
      continue;
    }
    const Peer &a = *first->peer, &b = *seat->peer;
    const std::uint64_t a_busy = a.active.load(std::memory_order_relaxed),
                        b_busy = b.active.load(std::memory_order_relaxed);
    return b_busy * a.server.weight > a_busy * b.server.weight ? first : seat;
  }
  return first;
}

}  // namespace keepgate::upstream

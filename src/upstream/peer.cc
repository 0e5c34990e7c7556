#include "upstream/peer.h"

#include <algorithm>

namespace keepgate::upstream {

namespace {

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Peer::Peer(Server its_server, bool is_shared)
    : server(std::move(its_server)),
      text(server.address.text()),
      id(next_id()),
      shared(is_shared),
      effective_weight(static_cast<std::int64_t>(server.weight)) {}

bool Peer::enter() {
  if (!shared) {
    const std::uint32_t now = active.load(std::memory_order_relaxed);
    if (server.conns_max != 0 && now >= server.conns_max) return false;
    active.store(now + 1, std::memory_order_relaxed);
    return true;
  }
  const std::uint32_t before = active.fetch_add(1, std::memory_order_relaxed);
  if (server.conns_max == 0 || before < server.conns_max) return true;
  active.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Peer::leave() {
  if (shared) {
    active.fetch_sub(1, std::memory_order_relaxed);
  } else {
    active.store(active.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  }
}

std::int64_t Peer::weight_percent(std::int64_t now_ms) const {
  const std::int64_t since = recovered_ms.load(std::memory_order_relaxed);
  if (since == 0 || server.slow_start_ms == 0 || now_ms - since >= server.slow_start_ms) return 100;
  return std::max<std::int64_t>((now_ms - since) * 100 / server.slow_start_ms, 1);
}

bool Peer::set_health(Health found, std::int64_t now_ms) {
  const Health before = health.exchange(found, std::memory_order_relaxed);
  if (before == Health::unhealthy && found == Health::healthy) recovered_ms.store(now_ms, std::memory_order_relaxed);
  return before != found;
}

PeerList::PeerList(const std::vector<Server>& servers, bool shared) : shared_(shared) { replace(servers); }

void PeerList::hold_all() {
  hold_new(true);
  for (const auto& peer : published_.current()->peers) peer->health.store(Health::unhealthy, std::memory_order_relaxed);
}

void PeerList::replace(const std::vector<Server>& servers) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Peer>> old;
  if (const auto before = published_.current()) old = before->peers;
  auto next = std::make_shared<PeerSet>();
  next->peers.reserve(servers.size());
  for (const Server& server : servers) {
    // The same server twice is two peers: each old one is taken once.
    const auto same = std::ranges::find_if(old, [&](const auto& peer) { return peer && peer->server == server; });
    if (same != old.end()) {
      next->peers.push_back(std::move(*same));
      continue;
    }
    auto made = std::make_shared<Peer>(server, shared_);
    if (holds_new_.load(std::memory_order_relaxed)) made->health.store(Health::unhealthy, std::memory_order_relaxed);
    next->peers.push_back(std::move(made));
  }
  published_.publish(std::move(next));
}

// A peer that stayed in for long after its last ejection begins anew; the time out has a bound.
bool PeerList::put_out(Peer& peer, const EjectionOptions& options, std::int64_t now_ms) {
  constexpr std::uint32_t times_max = 10;
  const std::int64_t until_ms = peer.ejected_until_ms.load(std::memory_order_relaxed);
  const std::uint32_t before = peer.ejections.load(std::memory_order_relaxed);
  const bool long_ago = now_ms - until_ms > options.time_ms * before;
  const std::uint32_t times = std::min(long_ago ? 1 : before + 1, times_max);
  peer.ejections.store(times, std::memory_order_relaxed);
  peer.failures_in_a_row.store(0, std::memory_order_relaxed);
  peer.ejected_until_ms.store(now_ms + options.time_ms * times, std::memory_order_relaxed);
  return true;
}

}  // namespace keepgate::upstream

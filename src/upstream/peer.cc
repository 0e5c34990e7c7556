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

PeerList::PeerList(const std::vector<Server>& servers, bool shared) : shared_(shared) { replace(servers); }

void PeerList::replace(const std::vector<Server>& servers) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Peer>> old;
  if (const auto before = published_.current()) old = before->peers;
  auto next = std::make_shared<PeerSet>();
  next->peers.reserve(servers.size());
  for (const Server& server : servers) {
    // The same server twice is two peers: each old one is taken once.
    const auto same = std::ranges::find_if(old, [&](const auto& peer) { return peer && peer->server == server; });
    next->peers.push_back(same == old.end() ? std::make_shared<Peer>(server, shared_) : std::move(*same));
  }
  published_.publish(std::move(next));
}

}  // namespace keepgate::upstream

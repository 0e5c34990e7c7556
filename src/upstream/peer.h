// Peer: one address of one server of a group, and how it has been doing. PeerList: the peers of a group as they are
// now.
//
// A list is replaced whole while the program runs (names that are resolved again); a peer that stays keeps its object
// and with it its state. Thread rule: PeerList is safe from any thread. A peer's state is atomic; each worker has peers
// of its own unless the group is shared (`zone`). Lifetime: whoever uses a peer holds it, in the list or no more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/published.h"
#include "upstream/group.h"

namespace keepgate::upstream {

// What active checks say. The zero keeps requests away.
enum class Health : std::uint8_t { unhealthy = 0, unchecked, healthy };

// On cache lines of its own: workers that share one peer do not slow the others down.
struct alignas(64) Peer {
  Peer(Server its_server, bool is_shared);

  const Server server;
  const std::string text;  // The address: "127.0.0.1:9001". $upstream_addr.
  const std::uint64_t id;  // Never given out twice, unlike the object's address.
  const bool shared;       // Several workers write the state.

  std::atomic<std::uint32_t> active{0};  // Requests being served.
  std::atomic<std::uint32_t> fails{0};
  std::atomic<std::int64_t> failed_ms{0};   // When it failed last.
  std::atomic<std::int64_t> checked_ms{0};  // When it failed last or was given a try after that: once a fail_timeout.
  std::atomic<std::int64_t> effective_weight;  // Falls with failures, recovers with every choice.
  std::atomic<Health> health{Health::unchecked};

  // Counts down the path where one worker alone writes: no locked instruction.
  void add_active(std::uint32_t difference) {
    if (shared) {
      active.fetch_add(difference, std::memory_order_relaxed);
    } else {
      active.store(active.load(std::memory_order_relaxed) + difference, std::memory_order_relaxed);
    }
  }
};

struct PeerSet {
  std::vector<std::shared_ptr<Peer>> peers;  // In the order of the configuration. May be empty.
};

class PeerList {
 public:
  PeerList(const std::vector<Server>& servers, bool shared);

  bool shared() const { return shared_; }
  const Published<PeerSet>& published() const { return published_; }
  std::shared_ptr<const PeerSet> current() const { return published_.current(); }
  // From now on these are the servers. The peer of a server that is the same in every respect stays.
  void replace(const std::vector<Server>& servers);

 private:
  const bool shared_;
  std::mutex mutex_;  // One replacement at a time.
  Published<PeerSet> published_;
};

}  // namespace keepgate::upstream

// Peer: one address of one server of a group, and how it has been doing. PeerList: the peers of a group as they are
// now.
//
// A list is replaced whole while the program runs (names that are resolved again); a peer that stays keeps its object
// and with it its state. Thread rule: PeerList is safe from any thread. A peer's state is atomic; each worker has peers
// of its own unless the group is shared (`zone`). Lifetime: whoever uses a peer holds it, in the list or no more.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/published.h"
#include "upstream/group.h"
#include "upstream/wait_line.h"

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
  std::atomic<std::int64_t> failed_ms{0};      // When it failed last.
  std::atomic<std::int64_t> checked_ms{0};     // When it failed last or was given a try after that.
  std::atomic<std::int64_t> effective_weight;  // Falls with failures, recovers with every choice.
  std::atomic<std::int64_t> recovered_ms{0};   // When it came back: slow_start counts from here. 0: it never was out.
  std::atomic<Health> health{Health::unchecked};
  // Ejection.
  std::atomic<std::uint32_t> failures_in_a_row{0};
  std::atomic<std::uint32_t> ejections{0};
  std::atomic<std::int64_t> ejected_until_ms{0};  // 0: it is in.

  // One more request, unless max_conns are there. No locked instruction where one worker alone writes.
  bool enter();
  void leave();
  bool busy() const { return server.conns_max != 0 && active.load(std::memory_order_relaxed) >= server.conns_max; }
  bool ejected(std::int64_t now_ms) const { return ejected_until_ms.load(std::memory_order_relaxed) > now_ms; }
  // max_fails within fail_timeout: it is left alone until the time is over, and then tried.
  bool failed(std::int64_t now_ms) const {
    return server.fails_max != 0 && fails.load(std::memory_order_relaxed) >= server.fails_max &&
           now_ms - checked_ms.load(std::memory_order_relaxed) <= server.fail_timeout_ms;
  }
  // How much of its weight counts, in percent: less than all while it starts slowly.
  std::int64_t weight_percent(std::int64_t now_ms) const;
  // What a check found. True: that is news.
  bool set_health(Health found, std::int64_t now_ms);
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
  // Requests of all workers that wait for a peer, where the peers are shared.
  WaitLine& line() { return line_; }
  // Puts `peer` out for a while, if no more than `out_max` of `peers` are out then.
  template <typename Peers>
  bool eject(Peer& peer, const Peers& peers, std::size_t out_max, const EjectionOptions& options, std::int64_t now_ms) {
    const std::lock_guard lock(ejecting_);
    if (peer.ejected(now_ms)) return false;
    const auto out = std::ranges::count_if(peers, [&](const auto& one) { return one->peer->ejected(now_ms); });
    return static_cast<std::size_t>(out) < out_max && put_out(peer, options, now_ms);
  }
  // Whether peers that are new get no requests before a check found them healthy (`health_check mandatory`).
  void hold_new(bool hold) { holds_new_.store(hold, std::memory_order_relaxed); }
  void hold_all();  // Those that are there as well.

 private:
  static bool put_out(Peer& peer, const EjectionOptions& options, std::int64_t now_ms);

  const bool shared_;
  std::mutex ejecting_;
  WaitLine line_;
  std::atomic<bool> holds_new_{false};
  std::mutex mutex_;  // One replacement at a time.
  Published<PeerSet> published_;
};

}  // namespace keepgate::upstream

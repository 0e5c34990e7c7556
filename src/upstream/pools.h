// Pools: one worker's connections to its upstreams: idle ones kept last-in-first-out, new ones made on demand.
//
// An idle connection whose peer closed it is recognised by its edge and never handed out. Thread rule: one worker's.
// Lifetime: a Pool lives as long as anybody holds it; Pools drops those that nobody used for a while.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "net/socket.h"
#include "net/stream.h"
#include "tls/context.h"
#include "upstream/balance.h"
#include "upstream/group.h"

namespace keepgate::upstream {

struct Link {  // One connection to one server.
  net::Stream stream;
  std::shared_ptr<Peer> peer;
  std::uint32_t requests = 0;  // Served before the current one.
  std::int64_t made_ms = 0;
  std::int64_t idle_since_ms = 0;
  bool reused() const { return requests > 0; }
};

// What all connections of a pool have in common, besides their group and TLS. The zero is the system's own choice.
struct LocalSide {
  std::string_view address;  // "192.0.2.1", "[::1]:99"; empty: none. INVARIANT: one that Address::ip_with_port takes.
  bool transparent = false;
  bool keep_alive = false;
};

class Pool {
 public:
  Pool(net::Loop& loop, std::shared_ptr<const Group> group, std::shared_ptr<const tls::ClientContext> tls,
       std::string tls_name, std::shared_ptr<Balance> balance, net::LocalEnd local = {});

  const Group& group() const { return *group_; }
  Balance& balance() { return *balance_; }

  // The idle connection to the peer in `seat` that was used last, if it is still good. No wait and no system call.
  std::optional<Link> take_idle(const Seat& seat);
  // A new connection, with its TLS handshake done. Hangup of `client` cancels. The caller holds the lease of `seat`.
  // `preface` goes out first, before TLS (a PROXY header); such a connection must not be given back.
  net::Task<Result<Link>> connect(const Seat& seat, std::int64_t timeout_ms, net::Stream* client,
                                  std::string_view preface = {});
  // After a complete exchange over it. Keeps or closes it by the group's keepalive settings.
  void give_back(Link link, const Seat& seat);

  void drop_idle(std::int64_t now_ms);  // The dead and the too old.
  std::size_t idle_count() const { return idle_count_; }
  std::int64_t last_used_ms = 0;

 private:
  bool fresh_enough(const Link& link, std::int64_t now_ms) const;
  std::vector<Link>& stack_of(const Seat& seat);
  void drop_oldest();

  net::Loop& loop_;
  std::shared_ptr<const Group> group_;
  std::shared_ptr<const tls::ClientContext> tls_;
  std::string tls_name_;
  std::shared_ptr<Balance> balance_;
  net::LocalEnd local_;
  std::vector<std::vector<Link>> idle_;  // By the number of the peer's seat; a number passes on when its peer leaves.
  std::size_t idle_count_ = 0;
};

class Pools {
 public:
  // Of pools with a local address of their own, which may be as many as there are clients. One more is not kept: its
  // connections serve one request.
  static constexpr std::size_t bound_pools_max = 1'000;

  explicit Pools(net::Loop& loop) : loop_(loop) {}

  std::shared_ptr<Pool> pool(const std::shared_ptr<const Group>& group,
                             const std::shared_ptr<const tls::ClientContext>& tls, const std::string& tls_name,
                             const LocalSide& local = {});
  // Closes idle connections that died or grew old, forgets pools out of use. Runs every few seconds.
  void sweep();
  void close_idle();

 private:
  struct Key {
    const Group* group;
    const tls::ClientContext* tls;
    std::string tls_name;  // A connection that was verified for one name never serves another.
    std::string local;     // Nor does one that comes from one address serve who shall come from another.
    bool transparent, keep_alive;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      const std::size_t local = key.local.empty() ? 0 : std::hash<std::string>()(key.local);
      return reinterpret_cast<std::uintptr_t>(key.group) / 16 * 31 + reinterpret_cast<std::uintptr_t>(key.tls) / 16 +
             local;
    }
  };
  // All pools of a group share one: how a server does is not a matter of how it is talked to.
  std::shared_ptr<Balance> balance_of(const std::shared_ptr<const Group>& group);

  net::Loop& loop_;
  std::unordered_map<Key, std::shared_ptr<Pool>, KeyHash> pools_;
  std::size_t bound_pools_ = 0;
  std::unordered_map<const Group*, std::weak_ptr<Balance>> balances_;
};

// The worker's sweep: until the loop's streams are cancelled there is always one more turn.
net::Detached sweep_regularly(Pools& pools, net::Loop& loop, const bool& stopped);

}  // namespace keepgate::upstream

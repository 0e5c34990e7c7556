// upstream { }: the servers of one group and how to talk to them, as configured; `peers` is the group as it is now.
// Thread rule: immutable and shared by all workers; `peers` is safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/address.h"

namespace keepgate::upstream {

class PeerList;

struct Server {
  net::Address address;
  std::string name;  // As written: "127.0.0.1:9001".
  unsigned weight = 1;
  unsigned fails_max = 1;  // max_fails; 0: never considered failed.
  std::int64_t fail_timeout_ms = 10'000;
  bool backup = false;
  bool down = false;

  bool operator==(const Server&) const = default;
};

struct Group {
  std::string name;             // "orders", or the host:port of a proxy_pass without an upstream block.
  std::string zone;             // Not empty: all workers share the state of the peers, as nginx's do with `zone`.
  std::vector<Server> servers;  // As configured.
  unsigned keepalive = 32;      // Idle connections kept per worker; 0: none. nginx's default since 1.29.7.
  std::uint32_t keepalive_requests = 1000;
  std::int64_t keepalive_timeout_ms = 60'000;
  std::int64_t keepalive_time_ms = 3'600'000;
  std::shared_ptr<PeerList> peers;  // Never nullptr in a group of make_group().

  bool same_configuration(const Group& other) const;  // A reload keeps the groups that did not change.
};

// Gives `group` its list of peers, one for each server.
std::shared_ptr<Group> make_group(Group group);

}  // namespace keepgate::upstream

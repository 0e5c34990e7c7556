// upstream { }: the servers of one group and how to talk to them, as configured; `peers` is the group as it is now.
// Thread rule: immutable and shared by all workers; `peers` is safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/resolver.h"
#include "route/template.h"
#include "upstream/retry_budget.h"

namespace keepgate::upstream {

class PeerList;

// How a server is chosen. nginx's.
enum class Method : std::uint8_t { round_robin = 0, least_conn, ip_hash, hash, consistent_hash, random, random_two };

struct Server {
  net::Address address;
  std::string name;  // As written: "127.0.0.1:9001".
  unsigned weight = 1;
  unsigned fails_max = 1;  // max_fails; 0: never considered failed.
  std::int64_t fail_timeout_ms = 10'000;
  unsigned conns_max = 0;          // max_conns; 0: no bound.
  std::int64_t slow_start_ms = 0;  // After it was out, its weight grows back over this time.
  bool backup = false;
  bool down = false;  // Also `drain`: no request is bound to a server.

  bool operator==(const Server&) const = default;
};

// Passive ejection: a server that fails again and again is left alone for a while. Ours.
struct EjectionOptions {
  unsigned consecutive = 0;           // So many failures or 5xx answers in a row; 0: off.
  std::int64_t time_ms = 30'000;      // Times the number of ejections.
  unsigned ejected_percent_max = 50;  // Of the group's servers.
  bool operator==(const EjectionOptions&) const = default;
};

// `server NAME … resolve`: stands for whatever servers the name does at the moment.
struct NamedServer {
  std::size_t place = 0;  // How many of Group::servers go before it.
  std::string host;
  std::string service;  // The name of an SRV record, or "".
  Server prototype;     // Its address has the port only.

  bool operator==(const NamedServer&) const = default;
};

struct Group {
  std::string name;             // "orders", or the host:port of a proxy_pass without an upstream block.
  std::string zone;             // Not empty: all workers share the state of the peers, as nginx's do with `zone`.
  std::vector<Server> servers;  // As configured.
  unsigned keepalive = 32;      // Idle connections kept per worker; 0: none. nginx's default since 1.29.7.
  std::uint32_t keepalive_requests = 1000;
  std::int64_t keepalive_timeout_ms = 60'000;
  std::int64_t keepalive_time_ms = 3'600'000;
  std::vector<NamedServer> named;
  std::shared_ptr<const net::ResolverOptions> resolver;  // With `named`: never nullptr.
  std::int64_t resolver_timeout_ms = 30'000;
  Method method = Method::round_robin;
  route::Template hash_key;  // Of the two hashes.
  unsigned queue = 0;        // Requests that may wait for a server while all are busy; 0: none.
  std::int64_t queue_timeout_ms = 60'000;
  RetryBudgetOptions retries;
  EjectionOptions ejection;
  // Live, and never nullptr in a group of make_group().
  std::shared_ptr<PeerList> peers;
  std::shared_ptr<RetryBudget> budget;

  bool same_configuration(const Group& other) const;  // A reload keeps the groups that did not change.
};

// Gives `group` its list of peers, one for each server.
std::shared_ptr<Group> make_group(Group group);

}  // namespace keepgate::upstream

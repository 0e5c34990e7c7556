// upstream { }: the servers of one group and how to talk to them, as configured.
// Thread rule: immutable, shared by all workers; each worker keeps its own Pool of connections for a group.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/address.h"

namespace keepgate::upstream {

struct Server {
  net::Address address;
  std::string name;  // As written: "127.0.0.1:9001".
  unsigned weight = 1;
  unsigned fails_max = 1;  // max_fails; 0: never considered failed.
  std::int64_t fail_timeout_ms = 10'000;
  bool backup = false;
  bool down = false;
};

struct Group {
  std::string name;             // "orders", or the host:port of a proxy_pass without an upstream block.
  std::vector<Server> servers;  // At least one.
  unsigned keepalive = 32;      // Idle connections kept per worker; 0: none. nginx's default since 1.29.7.
  std::uint32_t keepalive_requests = 1000;
  std::int64_t keepalive_timeout_ms = 60'000;
  std::int64_t keepalive_time_ms = 3'600'000;

  bool operator==(const Group&) const;  // A reload keeps the pools of groups that did not change.
};

}  // namespace keepgate::upstream

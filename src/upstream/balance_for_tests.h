// A group with named servers and a worker's balance over it, for the tests of this room.
// Thread rule: as the Balance.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "upstream/balance.h"

namespace keepgate::upstream {

inline Server server(std::string name, unsigned weight = 1) {
  Server one;
  one.name = std::move(name);
  one.weight = weight;
  return one;
}

inline Server backup(std::string name) {
  Server one = server(std::move(name));
  one.backup = true;
  return one;
}

inline Server down(std::string name) {
  Server one = server(std::move(name));
  one.down = true;
  return one;
}

inline std::shared_ptr<const Group> group_of(std::vector<Server> servers, std::string zone = "", Group group = {}) {
  group.name = "orders";
  group.zone = std::move(zone);
  group.servers = std::move(servers);
  return make_group(std::move(group));
}

class Bench {
 public:
  explicit Bench(std::vector<Server> servers) : Bench(group_of(std::move(servers))) {}
  explicit Bench(std::shared_ptr<const Group> its_group) : group(std::move(its_group)), balance(group) {}

  Lease pick(std::int64_t now_ms = 0) {
    return balance.pick({.key = key, .client = client, .tried = tried, .now_ms = now_ms, .is_new = true});
  }
  // The name of the server that is picked, with a lease that ends at once; "-" for none.
  std::string name(std::int64_t now_ms = 0) {
    const Lease lease = pick(now_ms);
    return lease ? lease.peer().server.name : "-";
  }
  std::string names(int count, std::int64_t now_ms = 0) {
    std::string out;
    for (int i = 0; i < count; ++i) out += name(now_ms);
    return out;
  }
  void fail(std::string_view which, std::int64_t now_ms, int times = 1) {
    while (times > 0) {
      Lease lease = pick(now_ms);
      ASSERT_TRUE(lease);
      if (lease.peer().server.name != which) continue;
      lease.failed(now_ms);
      --times;
    }
  }

  std::shared_ptr<const Group> group;
  Balance balance;
  Tried tried;
  std::string key, client;
};

}  // namespace keepgate::upstream

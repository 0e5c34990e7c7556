// The methods. Which server nginx takes for the same keys is compared in tests/integration/test_upstreams.py.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "upstream/balance_for_tests.h"

namespace keepgate::upstream {
namespace {

Group by(Method method) {
  Group group;
  group.method = method;
  return group;
}

TEST(LeastConn, takes_the_server_with_the_fewest_requests) {
  Bench bench(group_of({server("a"), server("b")}, "", by(Method::least_conn)));
  const Lease one = bench.pick();
  const std::string busy = one.peer().server.name;
  for (int i = 0; i < 5; ++i) EXPECT_NE(bench.name(), busy);
}

TEST(LeastConn, weighs_requests_by_the_weights_of_the_servers) {
  Bench bench(group_of({server("a", 3), server("b", 1)}, "", by(Method::least_conn)));
  std::vector<Lease> leases;
  std::map<std::string, int> counts;
  for (int i = 0; i < 40; ++i) {
    leases.push_back(bench.pick());
    ++counts[leases.back().peer().server.name];
  }
  EXPECT_EQ(counts["a"], 30);
}

TEST(LeastConn, rotates_among_equals_by_weight) {
  Bench bench(group_of({server("a", 5), server("b"), server("c")}, "", by(Method::least_conn)));
  EXPECT_EQ(bench.names(7), "aabacaa");
}

TEST(LeastConn, uses_backups_when_no_primary_can) {
  Bench bench(group_of({server("a"), backup("x"), backup("y")}, "", by(Method::least_conn)));
  bench.fail("a", 0);
  const Lease one = bench.pick(1);
  EXPECT_NE(one.peer().server.name, bench.name(1));
}

TEST(IpHash, sends_a_network_to_one_server_and_to_another_one_when_that_is_out) {
  Bench bench(group_of({server("a"), server("b"), server("c")}, "", by(Method::ip_hash)));
  bench.client = std::string("\x0a\x01\x02\x03", 4);
  const std::string first = bench.name();
  EXPECT_EQ(bench.names(5), first + first + first + first + first);
  bench.client.back() = '\x77';
  EXPECT_EQ(bench.name(), first);
  bench.fail(first, 0);
  const std::string second = bench.name(1);
  EXPECT_NE(second, first);
  EXPECT_EQ(bench.names(3, 1), second + second + second);
}

TEST(IpHash, a_server_that_is_down_keeps_its_share_of_the_addresses) {
  Bench all(group_of({server("a"), server("b"), server("c")}, "", by(Method::ip_hash)));
  Bench without(group_of({server("a"), down("b"), server("c")}, "", by(Method::ip_hash)));
  int moved = 0;
  for (int i = 0; i < 200; ++i) {
    all.client = without.client = {'\x0a', static_cast<char>(i), '\x02', '\x03'};
    const std::string before = all.name();
    EXPECT_NE(without.name(), "b");
    if (before == "b") {
      ++moved;
    } else {
      EXPECT_EQ(without.name(), before);
    }
  }
  EXPECT_GT(moved, 30);
}

TEST(Hash, sends_a_key_to_one_server) {
  for (const Method method : {Method::hash, Method::consistent_hash}) {
    Bench bench(group_of({server("10.0.0.1:80"), server("10.0.0.2:80"), server("10.0.0.3:80")}, "", by(method)));
    std::map<std::string, int> counts;
    for (int i = 0; i < 300; ++i) {
      bench.key = "key" + std::to_string(i);
      const std::string first = bench.name();
      EXPECT_EQ(bench.name(), first);
      ++counts[first];
    }
    for (const auto& [name, count] : counts) EXPECT_NEAR(count, 100, 40) << name;
  }
}

TEST(Hash, an_empty_key_goes_round) {
  for (const Method method : {Method::hash, Method::consistent_hash}) {
    Bench bench(group_of({server("a"), server("b")}, "", by(method)));
    EXPECT_EQ(bench.names(4), "abab");
  }
}

TEST(Hash, consistent_addresses_of_one_name_share_its_keys) {
  Bench bench(group_of({server("one.example:80"), server("one.example:80"), server("two.example:80")}, "",
                       by(Method::consistent_hash)));
  std::map<std::uint64_t, int> counts;
  for (int i = 0; i < 300; ++i) {
    bench.key = std::to_string(i);
    const Lease lease = bench.pick();
    ++counts[lease.peer().id];
  }
  EXPECT_EQ(counts.size(), 3U);
}

TEST(Hash, keys_of_a_full_server_go_elsewhere) {
  Server a = server("a");
  a.conns_max = 1;
  Bench bench(group_of({a, server("b")}, "", by(Method::hash)));
  Lease held;
  for (int i = 0; !held; ++i) {
    bench.key = std::to_string(i);
    Lease lease = bench.pick();
    if (lease.peer().server.name == "a") held = std::move(lease);
  }
  EXPECT_EQ(bench.name(), "b");
}

TEST(Random, spreads_by_weight) {
  Bench bench(group_of({server("a", 3), server("b")}, "", by(Method::random)));
  const std::string names = bench.names(4000);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(names, 'a')), 3000, 250);
}

TEST(Random, two_takes_the_less_busy_of_two) {
  Bench bench(group_of({server("a"), server("b")}, "", by(Method::random_two)));
  const Lease one = bench.pick();
  const std::string busy = one.peer().server.name;
  for (int i = 0; i < 20; ++i) EXPECT_NE(bench.name(), busy);
}

TEST(Random, is_not_the_same_in_every_worker) {
  std::map<std::string, int> seen;
  for (int i = 0; i < 8; ++i) {
    Bench bench(group_of({server("a"), server("b")}, "", by(Method::random)));
    ++seen[bench.names(32)];
  }
  EXPECT_GT(seen.size(), 1U);
}

// Whatever the method and the state of the group: a pick ends, and gives a server that may be used, or none although
// none may be.
TEST(EveryMethod, picks_only_usable_servers) {
  std::mt19937 random(7);
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random()) % bound; };
  const auto chance = [&](unsigned percent) { return below(100) < percent; };
  for (int round = 0; round < 3000; ++round) {
    std::vector<Server> servers;
    for (unsigned count = 1 + below(6), i = 0; i < count; ++i) {
      Server one = server("s" + std::to_string(below(5)), 1 + below(5));
      one.down = chance(15);
      one.backup = i > 0 && chance(20);
      one.conns_max = chance(30) ? 1 + below(3) : 0;
      one.fails_max = below(3);
      one.slow_start_ms = chance(20) ? 5'000 : 0;
      servers.push_back(one);
    }
    Bench bench(group_of(servers, chance(50) ? "zone" : "", by(static_cast<Method>(below(7)))));
    std::vector<Lease> leases;
    std::int64_t now_ms = 1;
    for (int step = 0; step < 40; ++step) {
      now_ms += below(4000);
      bench.key = std::to_string(below(50));
      bench.client = std::string(chance(50) ? 4 : 16, static_cast<char>(below(256)));
      if (chance(10)) bench.tried = {};
      Lease lease = bench.pick(now_ms);
      if (!lease) continue;
      const Peer& peer = lease.peer();
      EXPECT_FALSE(peer.server.down);
      EXPECT_FALSE(bench.tried.has(peer));
      EXPECT_TRUE(peer.server.conns_max == 0 || peer.active <= peer.server.conns_max);
      if (chance(20)) bench.tried.add(peer);
      chance(40) ? lease.failed(now_ms) : lease.succeeded(now_ms);
      if (chance(30)) leases.push_back(std::move(lease));
      if (chance(10)) leases.clear();
    }
  }
}

TEST(EveryMethod, finds_the_one_server_that_is_left) {
  for (unsigned method = 0; method < 7; ++method) {
    std::vector<Server> servers(30, down("down"));
    servers[29] = server("left");
    Bench bench(group_of(servers, "", by(static_cast<Method>(method))));
    bench.client = std::string("\x7f\0\0\1", 4);
    bench.key = "key";
    EXPECT_EQ(bench.name(), "left") << method;
  }
}

}  // namespace
}  // namespace keepgate::upstream

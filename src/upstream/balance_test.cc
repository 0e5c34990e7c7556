#include "upstream/balance.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "upstream/balance_for_tests.h"

namespace keepgate::upstream {
namespace {

TEST(Balance, interleaves_weights_smoothly) {
  Bench bench({server("a", 5), server("b"), server("c")});
  EXPECT_EQ(bench.names(14), "aabacaaaabacaa");  // The published example of smooth weighted round robin.
}

TEST(Balance, passes_over_a_server_that_failed_until_its_time_is_over) {
  Bench bench({server("a"), server("b")});
  bench.fail("a", 1000);
  EXPECT_EQ(bench.names(5, 5000), "bbbbb");
  EXPECT_EQ(bench.names(3, 11'000), "bbb");
  const std::string later = bench.names(4, 11'001);
  EXPECT_NE(later.find('a'), std::string::npos);
}

TEST(Balance, gives_a_failed_server_one_try_after_its_time_and_all_after_a_success) {
  Bench bench({server("a"), server("b")});
  bench.fail("a", 1000);
  Lease probe;
  while (!probe) {
    Lease lease = bench.pick(11'001);
    if (lease.peer().server.name == "a") probe = std::move(lease);
  }
  EXPECT_EQ(bench.names(4, 11'001), "bbbb");
  EXPECT_EQ(bench.names(4, 21'001), "bbbb");
  probe.succeeded(21'001);
  const std::string after = bench.names(4, 21'002);
  EXPECT_EQ(std::ranges::count(after, 'a'), 2);
}

TEST(Balance, a_try_that_fails_again_costs_another_fail_timeout) {
  Bench bench({server("a"), server("b")});
  bench.fail("a", 1000);
  bench.fail("a", 11'001);
  EXPECT_EQ(bench.names(4, 21'001), "bbbb");
  EXPECT_NE(bench.names(4, 21'002).find('a'), std::string::npos);
}

TEST(Balance, counts_failures_that_lie_within_one_fail_timeout) {
  Server a = server("a");
  a.fails_max = 2;
  Bench bench({a, server("b")});
  bench.fail("a", 1000);
  while (true) {  // A success in between does not undo it.
    Lease lease = bench.pick(2000);
    if (lease.peer().server.name != "a") continue;
    lease.succeeded(2000);
    break;
  }
  bench.fail("a", 3000);
  EXPECT_EQ(bench.names(4, 4000), "bbbb");
}

TEST(Balance, forgets_a_failure_when_a_try_after_the_fail_timeout_succeeds) {
  Server a = server("a");
  a.fails_max = 2;
  Bench bench({a, server("b")});
  bench.fail("a", 1000);
  while (true) {
    Lease lease = bench.pick(11'001);
    if (lease.peer().server.name != "a") continue;
    lease.succeeded(11'001);
    break;
  }
  bench.fail("a", 12'000);
  EXPECT_NE(bench.names(4, 13'000).find('a'), std::string::npos);
}

TEST(Balance, max_fails_of_zero_never_takes_a_server_out) {
  Server a = server("a");
  a.fails_max = 0;
  Bench bench({a, server("b")});
  bench.fail("a", 1000, 20);
  const std::string after = bench.names(4, 1001);
  EXPECT_EQ(std::ranges::count(after, 'a'), 2);
}

TEST(Balance, a_server_that_failed_comes_back_with_a_weight_that_grows) {
  Server a = server("a", 10);
  a.fails_max = 2;
  Bench bench({a, server("b", 10)});
  bench.fail("a", 1000);
  const std::string after = bench.names(40, 1001);
  EXPECT_LT(std::ranges::count(after.substr(0, 10), 'a'), 5);
  EXPECT_EQ(std::ranges::count(after.substr(20), 'a'), 10);
}

TEST(Balance, a_lone_server_is_always_tried) {
  Bench bench({server("a")});
  bench.fail("a", 0, 5);
  EXPECT_EQ(bench.name(1), "a");
  bench.tried.add(bench.pick(1).peer());
  EXPECT_EQ(bench.name(1), "-");
}

TEST(Balance, backups_serve_only_when_no_primary_can) {
  Bench bench({server("a"), backup("b")});
  EXPECT_EQ(bench.names(2), "aa");
  bench.fail("a", 0);
  EXPECT_EQ(bench.name(1), "b");
}

TEST(Balance, never_picks_a_server_that_is_down_or_was_tried) {
  Bench bench({down("a"), server("b")});
  EXPECT_EQ(bench.names(4), "bbbb");
  bench.tried.add(bench.pick().peer());
  EXPECT_EQ(bench.name(), "-");
}

TEST(Balance, never_picks_a_server_that_its_checks_found_ill) {
  Bench bench(group_of({server("a"), server("b")}, "zone"));
  bench.group->peers->current()->peers[0]->health = Health::unhealthy;
  EXPECT_EQ(bench.names(4), "bbbb");
  bench.group->peers->current()->peers[0]->health = Health::healthy;
  EXPECT_EQ(std::ranges::count(bench.names(4), 'a'), 2);
}

TEST(Balance, has_nobody_when_all_failed) {
  Bench bench({server("a"), server("b")});
  bench.fail("a", 0);
  bench.fail("b", 0);
  EXPECT_EQ(bench.name(1), "-");
}

TEST(Balance, an_empty_group_has_nobody) {
  Bench bench({server("a")});
  bench.group->peers->replace({});
  EXPECT_EQ(bench.name(), "-");
  EXPECT_EQ(bench.balance.peer_count(), 0U);
}

TEST(Balance, counts_a_peer_as_busy_until_the_lease_ends) {
  Bench bench(group_of({server("a")}, "zone"));
  const auto peer = bench.group->peers->current()->peers[0];
  {
    const Lease one = bench.pick();
    Lease two = bench.pick();
    EXPECT_EQ(peer->active, 2U);
    two.end();
    EXPECT_EQ(peer->active, 1U);
    two = bench.pick();
    EXPECT_EQ(peer->active, 2U);
    two = bench.pick();  // Assigning ends what was held.
    EXPECT_EQ(peer->active, 2U);
    const Lease three = std::move(two);
    EXPECT_EQ(peer->active, 2U);
  }
  EXPECT_EQ(peer->active, 0U);
}

TEST(Balance, notices_when_the_list_is_replaced_and_keeps_what_it_knows_of_those_that_stay) {
  Bench bench({server("a"), server("b")});
  bench.fail("a", 1000);
  bench.group->peers->replace({server("c"), server("a")});
  EXPECT_EQ(bench.names(4, 2000), "cccc");
  EXPECT_EQ(bench.balance.peer_count(), 2U);
}

TEST(Balance, a_lease_outlives_the_peers_place_in_the_list) {
  Bench bench({server("a"), server("b")});
  Lease lease = bench.pick();
  const std::string name = lease.peer().server.name;
  const std::size_t number = lease.seat().number;
  bench.group->peers->replace({server("c"), server("d")});
  const Lease other = bench.pick();
  EXPECT_EQ(lease.peer().server.name, name);
  EXPECT_NE(other.seat().number, number);  // Not given on while it is used.
  lease.failed(1);
  lease.end();
  EXPECT_EQ(bench.balance.peer_count(), 2U);
}

TEST(Balance, workers_have_peers_of_their_own_unless_there_is_a_zone) {
  for (const bool zone : {false, true}) {
    Bench first(group_of({server("a"), server("b")}, zone ? "zone" : ""));
    Bench second(first.group);
    first.fail("a", 1000);
    EXPECT_EQ(second.names(4, 1001).find('a') == std::string::npos, zone);
  }
}

TEST(Balance, a_request_under_way_keeps_a_server_at_max_conns_from_another) {
  for (const bool zone : {false, true}) {
    Server a = server("a");
    a.conns_max = 2;
    Bench bench(group_of({a}, zone ? "zone" : ""));
    const Lease one = bench.pick();
    Lease two = bench.pick();
    EXPECT_TRUE(one && two);
    EXPECT_EQ(bench.name(), "-");
    two.end();
    EXPECT_EQ(bench.name(), "a");
  }
}

TEST(Balance, max_conns_holds_for_all_workers_together_where_there_is_a_zone) {
  Server a = server("a");
  a.conns_max = 1;
  for (const bool zone : {false, true}) {
    Bench first(group_of({a}, zone ? "zone" : ""));
    Bench second(first.group);
    const Lease lease = first.pick();
    EXPECT_EQ(second.name(), zone ? "-" : "a");
  }
}

TEST(PeerList, keeps_the_peers_of_servers_that_stay_and_no_others) {
  PeerList list({server("a"), server("b"), server("a")}, true);
  const auto before = list.current();
  EXPECT_NE(before->peers[0], before->peers[2]);  // Twice the same server: two peers.
  list.replace({server("a"), server("b", 2), server("a"), server("a")});
  const auto after = list.current();
  EXPECT_EQ(after->peers[0], before->peers[0]);
  EXPECT_NE(after->peers[1], before->peers[1]);
  EXPECT_EQ(after->peers[2], before->peers[2]);
  EXPECT_NE(after->peers[3], before->peers[0]);
}

TEST(Balance, workers_never_take_more_than_max_conns_together) {
  Server a = server("a"), b = server("b");
  a.conns_max = b.conns_max = 2;
  const auto group = group_of({a, b}, "zone");
  std::atomic<int> taken{0}, most{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      Balance balance(group);
      const Tried none;
      for (int round = 0; round < 5000; ++round) {
        const Lease one = balance.pick({.tried = none, .now_ms = 1}), two = balance.pick({.tried = none, .now_ms = 1});
        const int mine = (one ? 1 : 0) + (two ? 1 : 0);
        const int now = taken.fetch_add(mine) + mine;
        for (int before = most; before < now && !most.compare_exchange_weak(before, now);) {
        }
        taken.fetch_sub(mine);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_LE(most, 4);
  EXPECT_GE(most, 1);
  for (const auto& peer : group->peers->current()->peers) EXPECT_EQ(peer->active, 0U);
}

TEST(Balance, workers_share_peers_and_lists_change_without_a_race) {
  const auto group = group_of({server("a"), server("b"), server("c")}, "zone");
  const auto watched = group->peers->current();
  std::atomic<bool> over{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      Balance balance(group);
      const Tried none;
      for (std::int64_t now_ms = 0; !over; now_ms += 100) {
        Lease lease = balance.pick({.tried = none, .now_ms = now_ms});
        if (!lease) continue;
        now_ms % 3 == 0 ? lease.failed(now_ms) : lease.succeeded(now_ms);
      }
    });
  }
  for (int i = 0; i < 500; ++i) {
    group->peers->replace({server("a"), server("b"), server(std::string(1, static_cast<char>('d' + i % 5)))});
  }
  over = true;
  for (std::thread& worker : workers) worker.join();
  for (const auto& peer : watched->peers) EXPECT_EQ(peer->active, 0U);
}

}  // namespace
}  // namespace keepgate::upstream

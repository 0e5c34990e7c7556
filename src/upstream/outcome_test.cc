// What outcomes do to a peer: slow start, ejection. How failures are counted is in balance_test.cc.
#include <gtest/gtest.h>

#include <string>

#include "upstream/balance_for_tests.h"

namespace keepgate::upstream {
namespace {

Group ejecting(unsigned consecutive, unsigned percent = 50) {
  Group group;
  group.ejection.consecutive = consecutive;
  group.ejection.time_ms = 1000;
  group.ejection.ejected_percent_max = percent;
  return group;
}

// Never considered failed, so that only ejection keeps requests away.
Server sturdy(std::string name) {
  Server one = server(std::move(name));
  one.fails_max = 0;
  return one;
}

void answer_5xx(Bench& bench, std::string_view which, std::int64_t now_ms, int times) {
  while (times > 0) {
    Lease lease = bench.pick(now_ms);
    ASSERT_TRUE(lease);
    if (lease.peer().server.name != which) continue;
    lease.failed_status(now_ms);
    --times;
  }
}

void answer_well(Bench& bench, std::string_view which, std::int64_t now_ms) {
  while (true) {
    Lease lease = bench.pick(now_ms);
    ASSERT_TRUE(lease);
    if (lease.peer().server.name != which) continue;
    return lease.succeeded(now_ms);
  }
}

bool is_picked(Bench& bench, char which, std::int64_t now_ms) {
  return bench.names(8, now_ms).find(which) != std::string::npos;
}

TEST(Ejection, leaves_a_server_alone_after_so_many_failures_in_a_row) {
  Bench bench(group_of({sturdy("a"), sturdy("b")}, "", ejecting(3)));
  answer_5xx(bench, "a", 10, 2);
  EXPECT_TRUE(is_picked(bench, 'a', 10));
  answer_5xx(bench, "a", 10, 1);
  EXPECT_FALSE(is_picked(bench, 'a', 10));
  EXPECT_FALSE(is_picked(bench, 'a', 1009));
  EXPECT_TRUE(is_picked(bench, 'a', 1010));
}

TEST(Ejection, counts_broken_connections_and_5xx_answers_alike) {
  Bench bench(group_of({sturdy("a"), sturdy("b")}, "", ejecting(2)));
  bench.fail("a", 10);
  answer_5xx(bench, "a", 10, 1);
  EXPECT_FALSE(is_picked(bench, 'a', 10));
}

TEST(Ejection, a_good_answer_in_between_starts_the_count_again) {
  Bench bench(group_of({sturdy("a"), sturdy("b")}, "", ejecting(3)));
  for (int i = 0; i < 5; ++i) {
    answer_5xx(bench, "a", 10, 2);
    answer_well(bench, "a", 10);
  }
  EXPECT_TRUE(is_picked(bench, 'a', 10));
}

TEST(Ejection, is_off_unless_it_is_asked_for) {
  Bench bench(group_of({sturdy("a"), sturdy("b")}));
  answer_5xx(bench, "a", 10, 100);
  EXPECT_TRUE(is_picked(bench, 'a', 10));
}

TEST(Ejection, lasts_longer_every_time_and_starts_over_after_a_good_while) {
  Bench bench(group_of({sturdy("a"), sturdy("b")}, "", ejecting(1)));
  answer_5xx(bench, "a", 1000, 1);  // Out until 2000.
  answer_5xx(bench, "a", 2000, 1);  // Two seconds, until 4000.
  EXPECT_FALSE(is_picked(bench, 'a', 3999));
  EXPECT_TRUE(is_picked(bench, 'a', 4000));
  answer_5xx(bench, "a", 6001, 1);  // Longer in than it was out: one second again.
  EXPECT_TRUE(is_picked(bench, 'a', 7001));
}

TEST(Ejection, never_takes_out_more_of_the_group_than_allowed) {
  for (const std::string zone : {"", "zone"}) {
    Bench bench(group_of({sturdy("a"), sturdy("b"), sturdy("c"), sturdy("d")}, zone, ejecting(1)));
    for (const char* name : {"a", "b"}) answer_5xx(bench, name, 10, 1);
    EXPECT_FALSE(is_picked(bench, 'a', 11));
    EXPECT_FALSE(is_picked(bench, 'b', 11));
    answer_5xx(bench, "c", 11, 5);
    answer_5xx(bench, "d", 11, 5);
    EXPECT_TRUE(is_picked(bench, 'c', 11));
    EXPECT_TRUE(is_picked(bench, 'd', 11));
  }
}

TEST(Ejection, spares_a_lone_server) {
  Bench bench(group_of({sturdy("a")}, "", ejecting(1, 100)));
  answer_5xx(bench, "a", 10, 5);
  EXPECT_EQ(bench.name(10), "a");
}

TEST(SlowStart, lets_a_server_come_back_with_a_weight_that_grows) {
  Server a = server("a", 4), b = server("b", 4);
  a.slow_start_ms = b.slow_start_ms = 10'000;
  Bench bench({a, b});
  EXPECT_EQ(std::ranges::count(bench.names(8, 1), 'a'), 4);  // Nothing was out: no slow start.
  bench.fail("a", 1000);
  answer_well(bench, "a", 11'001);
  bench.names(20, 11'002);  // What failures took from the weight recovers with the choices.
  const auto share = [&](std::int64_t now_ms) { return std::ranges::count(bench.names(100, now_ms), 'a'); };
  EXPECT_NEAR(static_cast<double>(share(11'101)), 1, 2);
  EXPECT_NEAR(static_cast<double>(share(16'001)), 33, 3);
  EXPECT_NEAR(static_cast<double>(share(21'001)), 50, 2);
}

TEST(SlowStart, begins_when_checks_find_a_server_well_again) {
  Server a = server("a");
  a.slow_start_ms = 10'000;
  Peer peer(a, true);
  EXPECT_EQ(peer.weight_percent(5), 100);
  EXPECT_TRUE(peer.set_health(Health::unhealthy, 1000));
  EXPECT_FALSE(peer.set_health(Health::unhealthy, 1500));
  EXPECT_TRUE(peer.set_health(Health::healthy, 2000));
  EXPECT_EQ(peer.weight_percent(2000), 1);
  EXPECT_EQ(peer.weight_percent(7000), 50);
  EXPECT_EQ(peer.weight_percent(12'000), 100);
}

}  // namespace
}  // namespace keepgate::upstream

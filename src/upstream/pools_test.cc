#include "upstream/pools.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace keepgate::upstream {
namespace {

std::shared_ptr<Group> group_of(std::size_t servers) {
  Group group;
  group.name = "orders";
  for (std::size_t i = 0; i < servers; ++i) group.servers.emplace_back().name = std::to_string(i);
  return make_group(std::move(group));
}

// Links over socket pairs; the far ends are closed at the end.
class Bench {
 public:
  explicit Bench(std::size_t servers = 2) : group(group_of(servers)), balance(std::make_shared<Balance>(group)) {
    const Tried none;
    for (std::size_t i = 0; i < servers; ++i) leases.push_back(balance->pick({.tried = none}));
  }
  ~Bench() {
    for (const int one : theirs) {
      if (one >= 0) ::close(one);
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  std::shared_ptr<Pool> pool() { return std::make_shared<Pool>(loop, group, nullptr, "", balance); }
  const Seat& seat(std::size_t server = 0) const { return leases[server].seat(); }

  Link link(std::size_t server = 0) {
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    theirs.push_back(ends[1]);
    Link out;
    out.stream = net::Stream(loop, ends[0]);
    out.peer = seat(server).peer;
    out.made_ms = now();
    return out;
  }
  void hang_up(std::size_t index) { ::close(std::exchange(theirs[index], -1)); }
  void send(std::size_t index) const { EXPECT_EQ(::send(theirs[index], "x", 1, MSG_NOSIGNAL), 1); }
  // The peer sees the end: our side was closed.
  bool closed(std::size_t index) const {
    char byte;
    return ::recv(theirs[index], &byte, 1, MSG_DONTWAIT) == 0;
  }
  // One turn of the loop, so that edges arrive. Once in a test: a loop that stopped stays so.
  void turn() {
    [](net::Loop& its_loop) -> net::Detached {
      co_await net::SleepUntil(its_loop, its_loop.now().monotonic_ms);
      its_loop.stop();
    }(loop);
    loop.run();
  }
  std::int64_t now() const { return loop.now().monotonic_ms; }

  net::Loop loop;
  std::shared_ptr<Group> group;
  std::shared_ptr<Balance> balance;
  std::vector<Lease> leases;  // One of each server, in their order.
  std::vector<int> theirs;
};

TEST(Pool, has_nothing_idle_at_first) {
  Bench bench;
  const auto pool = bench.pool();
  EXPECT_FALSE(pool->take_idle(bench.seat()));
  EXPECT_EQ(pool->idle_count(), 0U);
}

TEST(Pool, hands_out_the_connection_used_last_of_that_server) {
  Bench bench;
  const auto pool = bench.pool();
  Link first = bench.link(), second = bench.link(), other = bench.link(1);
  const int first_descriptor = first.stream.descriptor(), second_descriptor = second.stream.descriptor();
  const int other_descriptor = other.stream.descriptor();
  pool->give_back(std::move(first), bench.seat());
  pool->give_back(std::move(second), bench.seat());
  pool->give_back(std::move(other), bench.seat(1));
  EXPECT_EQ(pool->idle_count(), 3U);
  const auto a = pool->take_idle(bench.seat()), b = pool->take_idle(bench.seat()), none = pool->take_idle(bench.seat()),
             c = pool->take_idle(bench.seat(1));
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(a->stream.descriptor(), second_descriptor);
  EXPECT_EQ(b->stream.descriptor(), first_descriptor);
  EXPECT_EQ(c->stream.descriptor(), other_descriptor);
  EXPECT_FALSE(none);
  EXPECT_TRUE(a->reused());
  EXPECT_EQ(pool->idle_count(), 0U);
}

TEST(Pool, a_connection_that_its_peer_closed_is_never_handed_out) {
  Bench bench;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  pool->give_back(bench.link(), bench.seat());
  bench.hang_up(1);  // The one that would be next.
  bench.turn();
  const auto link = pool->take_idle(bench.seat());
  ASSERT_TRUE(link);
  bench.send(0);
  char byte = 0;
  EXPECT_EQ(::recv(link->stream.descriptor(), &byte, 1, MSG_DONTWAIT), 1);  // The living one.
  EXPECT_FALSE(pool->take_idle(bench.seat()));
}

TEST(Pool, a_connection_on_which_something_came_unasked_is_never_handed_out) {
  Bench bench;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  bench.send(0);
  bench.turn();
  EXPECT_FALSE(pool->take_idle(bench.seat()));
  EXPECT_EQ(pool->idle_count(), 0U);
}

TEST(Pool, does_not_keep_what_is_dead_already) {
  Bench bench;
  const auto pool = bench.pool();
  Link dead = bench.link(), cancelled = bench.link(), good = bench.link();
  bench.hang_up(0);
  cancelled.stream.cancel();
  bench.turn();
  pool->give_back(std::move(dead), bench.seat());
  pool->give_back(std::move(cancelled), bench.seat());
  EXPECT_EQ(pool->idle_count(), 0U);
  EXPECT_TRUE(bench.closed(1));
  pool->give_back(std::move(good), bench.seat());
  EXPECT_EQ(pool->idle_count(), 1U);
}

TEST(Pool, keeps_none_where_keepalive_is_off) {
  Bench bench;
  bench.group->keepalive = 0;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  EXPECT_EQ(pool->idle_count(), 0U);
  EXPECT_TRUE(bench.closed(0));
}

TEST(Pool, keeps_no_more_than_keepalive_and_drops_the_one_that_waited_longest) {
  Bench bench;
  bench.group->keepalive = 2;
  const auto pool = bench.pool();
  for (int i = 0; i < 3; ++i) pool->give_back(bench.link(), bench.seat());
  EXPECT_EQ(pool->idle_count(), 2U);
  EXPECT_TRUE(bench.closed(0));
  EXPECT_FALSE(bench.closed(1));
  EXPECT_FALSE(bench.closed(2));
}

TEST(Pool, the_bound_is_for_all_servers_together) {
  Bench bench;
  bench.group->keepalive = 2;
  const auto pool = bench.pool();
  pool->give_back(bench.link(0), bench.seat());
  pool->give_back(bench.link(0), bench.seat());
  pool->give_back(bench.link(1), bench.seat(1));
  EXPECT_EQ(pool->idle_count(), 2U);
}

TEST(Pool, a_connection_ends_after_keepalive_requests) {
  Bench bench;
  bench.group->keepalive_requests = 2;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  auto link = pool->take_idle(bench.seat());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->requests, 1U);
  pool->give_back(std::move(*link), bench.seat());
  EXPECT_FALSE(pool->take_idle(bench.seat()));
  EXPECT_TRUE(bench.closed(0));
}

TEST(Pool, a_connection_ends_at_keepalive_time) {
  Bench bench;
  const auto pool = bench.pool();
  Link young = bench.link(), old = bench.link();
  young.made_ms = bench.now() - bench.group->keepalive_time_ms + 60'000;
  old.made_ms = bench.now() - bench.group->keepalive_time_ms;
  pool->give_back(std::move(old), bench.seat());
  EXPECT_EQ(pool->idle_count(), 0U);
  pool->give_back(std::move(young), bench.seat());
  EXPECT_EQ(pool->idle_count(), 1U);
}

TEST(Pool, what_is_idle_for_keepalive_timeout_is_dropped_and_no_earlier) {
  Bench bench;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  const std::int64_t end = bench.now() + bench.group->keepalive_timeout_ms;
  pool->drop_idle(end - 1);
  EXPECT_EQ(pool->idle_count(), 1U);
  pool->drop_idle(end);
  EXPECT_EQ(pool->idle_count(), 0U);
  EXPECT_TRUE(bench.closed(0));
}

TEST(Pool, a_timeout_of_zero_hands_nothing_out_again) {
  Bench bench;
  bench.group->keepalive_timeout_ms = 0;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  EXPECT_FALSE(pool->take_idle(bench.seat()));
}

TEST(Pools, one_pool_for_each_group_and_verified_name) {
  Bench bench;
  Pools pools(bench.loop);
  const auto same = std::make_shared<Group>(*bench.group);
  const auto first = pools.pool(bench.group, nullptr, "a");
  EXPECT_EQ(pools.pool(bench.group, nullptr, "a"), first);
  EXPECT_NE(pools.pool(bench.group, nullptr, "b"), first);  // Verified for one name: never used for another.
  EXPECT_NE(pools.pool(same, nullptr, "a"), first);
  const auto bound = pools.pool(bench.group, nullptr, "a", {"127.0.0.1", false, false});
  EXPECT_NE(bound, first);  // Who shall come from an address never comes from another.
  EXPECT_EQ(pools.pool(bench.group, nullptr, "a", {"127.0.0.1", false, false}), bound);
  EXPECT_NE(pools.pool(bench.group, nullptr, "a", {"127.0.0.2", false, false}), bound);
  EXPECT_NE(pools.pool(bench.group, nullptr, "a", {"127.0.0.1", true, false}), bound);
  EXPECT_NE(pools.pool(bench.group, nullptr, "a", {"127.0.0.1", false, true}), bound);
}

TEST(Pools, sweep_drops_the_dead_and_keeps_the_living) {
  Bench bench;
  Pools pools(bench.loop);
  const auto pool = pools.pool(bench.group, nullptr, "");
  pool->give_back(bench.link(), bench.seat());
  pool->give_back(bench.link(), bench.seat());
  bench.hang_up(0);
  bench.turn();
  pools.sweep();
  EXPECT_EQ(pool->idle_count(), 1U);
  EXPECT_FALSE(bench.closed(1));
}

TEST(Pools, sweep_forgets_pools_that_nobody_used_for_long) {
  Bench bench;
  Pools pools(bench.loop);
  const std::weak_ptr<Pool> unused = pools.pool(bench.group, nullptr, "unused");
  const std::weak_ptr<Pool> recent = pools.pool(bench.group, nullptr, "recent");
  const std::weak_ptr<Pool> busy = pools.pool(bench.group, nullptr, "busy");
  const std::shared_ptr<Pool> held = pools.pool(bench.group, nullptr, "held");
  const std::weak_ptr<Pool> also_held = held;
  for (const auto& pool : {unused, busy, also_held}) pool.lock()->last_used_ms = bench.now() - 1'000'000;
  busy.lock()->give_back(bench.link(), bench.seat());
  pools.sweep();
  EXPECT_TRUE(unused.expired());
  EXPECT_FALSE(recent.expired());
  EXPECT_FALSE(busy.expired());
  EXPECT_EQ(pools.pool(bench.group, nullptr, "held"), held);  // A second pool would have a second bound.
}

TEST(Pools, close_idle_closes_everything) {
  Bench bench;
  Pools pools(bench.loop);
  pools.pool(bench.group, nullptr, "")->give_back(bench.link(), bench.seat());
  EXPECT_FALSE(bench.closed(0));
  pools.close_idle();
  EXPECT_TRUE(bench.closed(0));
}

TEST(Pool, a_connection_is_never_handed_out_for_a_peer_that_took_the_place_of_its_own) {
  Bench bench;
  const auto pool = bench.pool();
  pool->give_back(bench.link(), bench.seat());
  Seat successor;
  successor.peer = std::make_shared<Peer>(Server{}, false);
  successor.number = bench.seat().number;
  EXPECT_FALSE(pool->take_idle(successor));
  EXPECT_TRUE(bench.closed(0));
}

TEST(Pools, pools_of_one_group_share_what_is_known_of_its_servers) {
  Bench bench;
  Pools pools(bench.loop);
  const auto other = std::make_shared<Group>(*bench.group);
  EXPECT_EQ(&pools.pool(bench.group, nullptr, "a")->balance(), &pools.pool(bench.group, nullptr, "b")->balance());
  EXPECT_NE(&pools.pool(bench.group, nullptr, "a")->balance(), &pools.pool(other, nullptr, "a")->balance());
}

TEST(Group, is_the_same_only_while_nothing_changed) {
  const auto group = group_of(1);
  EXPECT_TRUE(group->same_configuration(*group_of(1)));
  const auto differs = [&](auto change) {
    Group other = *group;
    change(other);
    return !other.same_configuration(*group);
  };
  EXPECT_TRUE(differs([](Group& one) { one.zone = "z"; }));
  EXPECT_TRUE(differs([](Group& one) { one.name = "x"; }));
  EXPECT_TRUE(differs([](Group& one) { one.keepalive = 1; }));
  EXPECT_TRUE(differs([](Group& one) { one.keepalive_requests = 1; }));
  EXPECT_TRUE(differs([](Group& one) { one.keepalive_timeout_ms = 1; }));
  EXPECT_TRUE(differs([](Group& one) { one.keepalive_time_ms = 1; }));
  EXPECT_TRUE(differs([](Group& one) { one.servers.emplace_back(); }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].address = *net::Address::ip("127.0.0.1", 1); }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].name = "x"; }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].weight = 2; }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].fails_max = 2; }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].fail_timeout_ms = 2; }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].backup = true; }));
  EXPECT_TRUE(differs([](Group& one) { one.servers[0].down = true; }));
}

TEST(Pools, keep_only_so_many_pools_for_addresses_that_requests_choose) {
  Bench bench;
  Pools pools(bench.loop);
  const auto of = [&](std::size_t number) {
    const std::string address = "127.0." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
    return pools.pool(bench.group, nullptr, "", {address, false, false});
  };
  for (std::size_t i = 0; i < Pools::bound_pools_max; ++i) of(i);
  EXPECT_EQ(of(3), of(3));
  EXPECT_NE(of(Pools::bound_pools_max), of(Pools::bound_pools_max));  // One more is for one request.
  EXPECT_EQ(pools.pool(bench.group, nullptr, ""), pools.pool(bench.group, nullptr, ""));
  pools.close_idle();
  EXPECT_EQ(of(Pools::bound_pools_max), of(Pools::bound_pools_max));
}

}  // namespace
}  // namespace keepgate::upstream

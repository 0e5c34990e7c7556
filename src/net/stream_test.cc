#include "net/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "net/socket.h"

namespace keepgate::net {
namespace {

// Runs the loop in this thread until `body` has ended.
template <typename Body>
void run_in_loop(Loop& loop, Body body) {
  [](Loop& its_loop, Body its_body) -> Detached {
    co_await its_body();
    its_loop.stop();
  }(loop, std::move(body));
  loop.run();
}

struct StreamPair {
  explicit StreamPair(Loop& loop) {
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    ours = Stream(loop, ends[0]);
    theirs = ends[1];
  }
  ~StreamPair() {
    if (theirs >= 0) ::close(theirs);
  }
  void close_theirs() { ::close(std::exchange(theirs, -1)); }
  Stream ours;
  int theirs = -1;
};

TEST(Stream, reads_what_the_peer_sent_and_then_its_end) {
  Loop loop;
  StreamPair pair(loop);
  run_in_loop(loop, [&]() -> Task<void> {
    EXPECT_EQ(::send(pair.theirs, "hello", 5, 0), 5);
    EXPECT_EQ(co_await pair.ours.wait_readable(loop.now().monotonic_ms + 5000), Wake::ready);
    char bytes[64];
    const IoResult got = pair.ours.read(bytes, sizeof bytes);
    EXPECT_EQ(got.status, Io::ok);
    EXPECT_EQ(std::string_view(bytes, got.bytes), "hello");
    EXPECT_EQ(pair.ours.read(bytes, sizeof bytes).status, Io::want_read);
    pair.close_theirs();
    EXPECT_EQ(co_await pair.ours.wait_readable(loop.now().monotonic_ms + 5000), Wake::ready);
    EXPECT_EQ(pair.ours.read(bytes, sizeof bytes).status, Io::closed);
    EXPECT_TRUE(pair.ours.hung_up());
  });
}

TEST(Stream, sees_an_end_that_came_together_with_data) {
  Loop loop;
  StreamPair pair(loop);
  run_in_loop(loop, [&]() -> Task<void> {
    EXPECT_EQ(::send(pair.theirs, "last", 4, 0), 4);
    pair.close_theirs();
    EXPECT_EQ(co_await pair.ours.wait_readable(loop.now().monotonic_ms + 5000), Wake::ready);
    char bytes[64];
    EXPECT_EQ(pair.ours.read(bytes, sizeof bytes).bytes, 4U);
    EXPECT_EQ(pair.ours.read(bytes, sizeof bytes).status, Io::closed);
  });
}

TEST(Stream, a_wait_ends_at_its_deadline) {
  Loop loop;
  StreamPair pair(loop);
  run_in_loop(loop, [&]() -> Task<void> {
    EXPECT_EQ(co_await pair.ours.wait_readable(loop.now().monotonic_ms + 10), Wake::timeout);
  });
}

TEST(Stream, a_cancelled_wait_ends_and_so_do_later_ones) {
  Loop loop;
  StreamPair pair(loop);
  run_in_loop(loop, [&]() -> Task<void> {
    [](StreamPair& its_pair, Loop& its_loop) -> Detached {
      co_await SleepUntil(its_loop, its_loop.now().monotonic_ms);
      its_pair.ours.cancel();
    }(pair, loop);
    EXPECT_EQ(co_await pair.ours.wait_readable(no_deadline), Wake::cancelled);
    EXPECT_EQ(co_await pair.ours.wait_writable(no_deadline), Wake::cancelled);
  });
}

TEST(Loop, cancelling_everything_twice_resumes_each_wait_once) {
  Loop loop;
  StreamPair pair(loop);
  int resumed = 0;
  run_in_loop(loop, [&]() -> Task<void> {
    [](Loop& its_loop, int& count) -> Detached {
      co_await SleepUntil(its_loop, no_deadline);
      ++count;
    }(loop, resumed);
    [](StreamPair& its_pair, int& count) -> Detached {
      co_await its_pair.ours.wait_readable(no_deadline);
      ++count;
    }(pair, resumed);
    loop.cancel_all();
    loop.cancel_all();
    co_await SleepUntil(loop, loop.now().monotonic_ms);
  });
  EXPECT_EQ(resumed, 2);
}

TEST(Stream, a_wait_for_one_peer_ends_when_the_watched_one_hangs_up) {
  Loop loop;
  StreamPair upstream(loop), client(loop);
  run_in_loop(loop, [&]() -> Task<void> {
    client.close_theirs();
    EXPECT_EQ(co_await upstream.ours.wait_readable(loop.now().monotonic_ms + 5000, &client.ours), Wake::hangup);
    // Both registrations are gone: the streams can be waited on again.
    EXPECT_EQ(co_await upstream.ours.wait_readable(loop.now().monotonic_ms + 5), Wake::timeout);
  });
}

TEST(Stream, write_all_waits_for_a_slow_peer_and_loses_nothing) {
  Loop loop;
  StreamPair pair(loop);
  const std::string big(4 << 20, 'x');
  std::size_t received = 0;
  run_in_loop(loop, [&]() -> Task<void> {
    [](StreamPair& its_pair, Loop& its_loop, std::size_t& total, std::size_t wanted) -> Detached {
      char bytes[65536];
      while (total < wanted) {
        const ssize_t got = ::recv(its_pair.theirs, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0) total += static_cast<std::size_t>(got);
        if (got <= 0) co_await SleepUntil(its_loop, its_loop.now().monotonic_ms);
      }
    }(pair, loop, received, big.size());
    iovec piece{const_cast<char*>(big.data()), big.size()};
    const auto sent = co_await write_all(pair.ours, &piece, 1, 5000);
    EXPECT_TRUE(sent.has_value());
    while (received < big.size()) co_await SleepUntil(loop, loop.now().monotonic_ms);
  });
  EXPECT_EQ(received, big.size());
}

TEST(Stream, write_all_fails_when_the_peer_is_gone) {
  Loop loop;
  StreamPair pair(loop);
  run_in_loop(loop, [&]() -> Task<void> {
    pair.close_theirs();
    iovec piece{const_cast<char*>("x"), 1};
    const auto sent = co_await write_all(pair.ours, &piece, 1, 1000);
    EXPECT_FALSE(sent.has_value());
  });
}

TEST(Connect, fails_where_nobody_listens_and_succeeds_where_somebody_does) {
  Loop loop;
  const auto listener = listen_on(*Address::ip("127.0.0.1", 0), {});
  ASSERT_TRUE(listener.has_value());
  const Address address = local_address(*listener);
  run_in_loop(loop, [&]() -> Task<void> {
    {
      auto made = co_await connect(loop, address, loop.now().monotonic_ms + 5000);
      EXPECT_TRUE(made.has_value());
    }
    ::close(*listener);
    auto refused = co_await connect(loop, address, loop.now().monotonic_ms + 5000);
    EXPECT_FALSE(refused.has_value());
    EXPECT_TRUE(!refused && refused.error().kind == ErrorKind::unreachable);
  });
}

TEST(Listen, replaces_a_stale_unix_socket_but_not_a_live_one) {
  const std::string path = testing::TempDir() + "keepgate_listen_test.sock";
  ::unlink(path.c_str());
  const Address address = *Address::unix_path(path);
  const auto first = listen_on(address, {});
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(listen_on(address, {}).has_value());
  ::close(*first);
  const auto second = listen_on(address, {});
  EXPECT_TRUE(second.has_value());
  if (second) ::close(*second);
  ::unlink(path.c_str());
}

TEST(Address, reads_and_shows_what_it_read) {
  EXPECT_EQ(Address::ip("127.0.0.1", 80)->text(), "127.0.0.1:80");
  EXPECT_EQ(Address::ip("[::1]", 443)->text(), "[::1]:443");
  EXPECT_EQ(Address::unix_path("/run/x.sock")->text(), "unix:/run/x.sock");
  EXPECT_EQ(Address::ip("::ffff:10.0.0.1", 1)->ip_text(), "10.0.0.1");
  EXPECT_EQ(Address::ip("::ffff:10.0.0.1", 1)->ip_bytes().size(), 4U);
  EXPECT_TRUE(Address::ip("0.0.0.0", 1)->is_wildcard());
  EXPECT_FALSE(Address::ip("0.0.0.1", 1)->is_wildcard());
  for (const char* bad : {"", "127.0.0.1.", "1.2.3", "::g", "localhost", "[::1"}) {
    EXPECT_FALSE(Address::ip(bad, 80).has_value()) << bad;
  }
  EXPECT_FALSE(Address::unix_path(std::string(200, 'x')).has_value());
}

}  // namespace
}  // namespace keepgate::net

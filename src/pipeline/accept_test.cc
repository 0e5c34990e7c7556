// Accepting, and making room: connections on socket pairs and descriptors that cannot accept.
#include "pipeline/accept.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <string>
#include <vector>

#include "base/log.h"
#include "pipeline/connection.h"

namespace keepgate::pipeline {
namespace {

std::vector<std::string>& logged() {
  static std::vector<std::string> lines;
  return lines;
}

std::int64_t thread_cpu_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

class Room : public ::testing::Test {
 protected:
  Room() {
    logged().clear();
    set_log_sink([](LogLevel, std::string_view line) { logged().emplace_back(line); });
    set_log_level(LogLevel::info);
    snapshot->servers.resize(1);
    snapshot->locations.resize(1);
    snapshot->listeners.resize(1);
    snapshot->worker_connections = 8;
    published.publish(snapshot);
    worker = std::make_unique<Worker>(loop, published, 0);
  }
  ~Room() override {
    connections.clear();
    worker.reset();
    for (const int one : theirs) ::close(one);
    set_log_level(LogLevel::error);
    set_log_sink(nullptr);
  }

  Connection& add(bool reusable) {
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    theirs.push_back(ends[1]);
    connections.push_back(std::make_unique<Connection>(*worker, net::Stream(loop, ends[0]), net::Address(), snapshot,
                                                       snapshot->listeners[0]));
    if (reusable) worker->begin_reusable(*connections.back());
    return *connections.back();
  }

  net::Loop loop;
  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>();
  Published<Snapshot> published;
  std::unique_ptr<Worker> worker;
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<int> theirs;
};

TEST_F(Room, is_there_up_to_the_limit_and_not_one_past) {
  for (unsigned i = 0; i < 8; ++i) {
    EXPECT_TRUE(worker->admit()) << i;
    add(false);
  }
  EXPECT_FALSE(worker->admit());
  EXPECT_FALSE(worker->admit());
  ASSERT_EQ(logged().size(), 1U) << "one line, however many are refused";
  EXPECT_EQ(logged()[0], "8 worker_connections are not enough");
  connections.pop_back();
  EXPECT_TRUE(worker->admit());
}

TEST_F(Room, is_made_by_who_waits_longest) {
  for (unsigned i = 0; i < 8; ++i) add(i % 2 == 0);
  EXPECT_TRUE(worker->admit());
  EXPECT_TRUE(connections[0]->stream.cancelled());
  for (unsigned i = 1; i < 8; ++i) EXPECT_FALSE(connections[i]->stream.cancelled()) << i;
  worker->end_reusable(*connections[2]);
  EXPECT_TRUE(worker->admit());
  EXPECT_FALSE(connections[2]->stream.cancelled()) << "a request has begun there";
  EXPECT_TRUE(connections[4]->stream.cancelled());
  ASSERT_EQ(logged().size(), 1U);
  EXPECT_EQ(logged()[0], "8 worker_connections are not enough, reusing connections");
}

TEST_F(Room, is_made_for_several_at_once_when_many_wait) {
  snapshot->worker_connections = 64;
  for (unsigned i = 0; i < 64; ++i) add(true);
  EXPECT_TRUE(worker->admit());
  unsigned closed = 0;
  for (const auto& one : connections) closed += one->stream.cancelled();
  EXPECT_EQ(closed, 8U) << "an eighth";
}

TEST_F(Room, forgets_connections_that_end) {
  for (unsigned i = 0; i < 3; ++i) add(true);
  connections.erase(connections.begin() + 1);
  EXPECT_EQ(worker->close_longest_idle(), 1U);
  EXPECT_EQ(worker->close_longest_idle(), 1U);
  EXPECT_EQ(worker->close_longest_idle(), 0U);
}

TEST_F(Room, a_peer_is_replaced_for_a_while) {
  Connection& c = add(false);
  c.peer = *net::Address::ip("192.0.2.1", 1);
  for (const char* text : {"2001:db8::1", "192.0.2.2"}) {
    c.replace_peer(*net::Address::ip(text, 0));
    EXPECT_EQ(c.peer_ip(), text);
    EXPECT_TRUE(c.peer_is_replaced());
    EXPECT_EQ(c.socket_peer().ip_text(), "192.0.2.1");
    c.restore_peer();
    EXPECT_EQ(c.peer_ip(), "192.0.2.1");
    EXPECT_FALSE(c.peer_is_replaced());
  }
}

TEST_F(Room, a_descriptor_that_cannot_accept_is_not_tried_all_the_time) {
  const int odd = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);  // Readable for ever, and no socket.
  auto acceptor = std::make_shared<Acceptor>();
  acceptor->descriptor = odd;
  acceptor->watch = loop.add(odd);
  acceptor->last_snapshot = snapshot;
  accept_connections(*worker, acceptor);
  const auto end = [](net::Loop& its_loop, net::Watch& watch) -> net::Detached {
    co_await net::SleepUntil(its_loop, its_loop.now().monotonic_ms + 700);
    its_loop.cancel(watch);
    its_loop.cancel_all();
    co_await net::SleepUntil(its_loop, its_loop.now().monotonic_ms);
    its_loop.stop();
  };
  end(loop, *acceptor->watch);
  const std::int64_t before_ms = thread_cpu_ms();
  loop.run();
  EXPECT_LT(thread_cpu_ms() - before_ms, 200);
  ASSERT_EQ(logged().size(), 1U);
  EXPECT_EQ(logged()[0].substr(0, 18), "accept4() failed (");
  ::close(odd);
}

}  // namespace
}  // namespace keepgate::pipeline

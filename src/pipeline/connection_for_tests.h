// A worker with one connection on a socket pair, for the tests of this room. Thread rule: one thread's.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "pipeline/exchange.h"

namespace keepgate::pipeline {

class ConnectionForTests {
 public:
  ConnectionForTests() {
    snapshot->servers.resize(1);
    snapshot->locations.resize(1);
    snapshot->listeners.resize(1);
    published.publish(snapshot);
    worker = std::make_unique<Worker>(loop, published, 0);
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    theirs = ends[1];
    connection = std::make_unique<Connection>(*worker, net::Stream(loop, ends[0]), net::Address(), snapshot,
                                              snapshot->listeners[0]);
  }
  ~ConnectionForTests() {
    connection.reset();
    hang_up();
  }
  ConnectionForTests(const ConnectionForTests&) = delete;
  ConnectionForTests& operator=(const ConnectionForTests&) = delete;

  void hang_up() {
    if (theirs >= 0) ::close(std::exchange(theirs, -1));
  }

  net::Loop loop;
  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>();
  Published<Snapshot> published;
  std::unique_ptr<Worker> worker;
  std::unique_ptr<Connection> connection;
  int theirs = -1;  // The client's end.
};

}  // namespace keepgate::pipeline

// Worker: what one worker thread owns: its loop, its view of the configuration, its caches and its connections.
//
// Thread rule: everything belongs to the worker's thread, but for what the members' own headers allow.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/jwt.h"
#include "base/published.h"
#include "net/loop.h"
#include "pipeline/buffer.h"
#include "pipeline/snapshot.h"

namespace keepgate::upstream {
class Pools;
}

namespace keepgate::pipeline {

class Connection;
class Exchange;

struct Worker {
  Worker(net::Loop& its_loop, const Published<Snapshot>& snapshots, unsigned its_number);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  net::Loop& loop;
  Published<Snapshot>::Reader snapshot;
  unsigned number;
  auth::TokenCache token_cache;
  upstream::Pools* upstreams = nullptr;  // Set by the composition before the first connection.
  BufferPool buffers;
  std::string scratch;  // For heads being built. INVARIANT: its content does not live over a wait.

  // "Date: …\r\n" of the current second.
  std::string_view date_line();
  // Unique, not secret: a random prefix and a counter.
  std::uint64_t next_number() { return ++counter_; }
  std::uint64_t id_prefix() const { return id_prefix_; }

  // Exchanges are big and kept; take_exchange() returns one that was reset.
  std::unique_ptr<Exchange> take_exchange();
  void give_back(std::unique_ptr<Exchange> exchange);

  // Draining: answers say `Connection: close`; connections that wait for a request have a moment left.
  bool draining = false;
  Connection* connections = nullptr;  // All live ones, in a list.
  std::size_t connection_count = 0;
  void drain();
  void reconsider_idle();  // What connections that wait for a request were told may have changed: a reload, draining.

 private:
  std::vector<std::unique_ptr<Exchange>> spare_exchanges_;
  std::uint64_t id_prefix_ = 0;
  std::uint64_t counter_ = 0;
  std::int64_t date_second_ = -1;
  char date_[37];
};

}  // namespace keepgate::pipeline

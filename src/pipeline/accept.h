// Accepting: takes connections from one listening socket for one worker.
// Thread rule: its worker's. Lifetime: who accepts holds the Acceptor, and that holds the socket.
#pragma once

#include <memory>

#include "net/address.h"
#include "net/task.h"
#include "pipeline/snapshot.h"
#include "pipeline/worker.h"

namespace keepgate::pipeline {

struct Acceptor {
  net::Address address;
  int descriptor = -1;
  std::shared_ptr<const void> owner;  // Of the descriptor.
  net::Watch* watch = nullptr;
  // The last configuration that has this listener. When the newest has not, connections that were made before it went
  // away are served as they were promised. Never nullptr.
  std::shared_ptr<const Snapshot> last_snapshot;
};

// Accepts until the watch is cancelled; then lets go of the watch.
net::Detached accept_connections(Worker& worker, std::shared_ptr<const Acceptor> acceptor);

// What waits in the queue, without waiting for more. For a socket that this worker will not watch any longer.
void accept_rest(Worker& worker, const Acceptor& acceptor);

}  // namespace keepgate::pipeline

// Workers: the threads that serve, their listening sockets, and how to reload and stop them.
//
// Thread rule: the main thread calls everything here; the workers are told by messages. Lifetime: stop() or drain()
// before destruction.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/published.h"
#include "net/address.h"
#include "pipeline/snapshot.h"

namespace keepgate::cli {

class WorkerThread;

class Workers {
 public:
  Workers();
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Binds all listeners of the snapshot. Nothing serves yet; fails if any address cannot be had.
  Result<void> open(std::shared_ptr<const pipeline::Snapshot> snapshot);
  void start();
  // Binds what is new, publishes, closes what is gone. On failure nothing has changed.
  Result<void> reload(std::shared_ptr<const pipeline::Snapshot> snapshot);
  std::shared_ptr<const pipeline::Snapshot> current() const { return published_.current(); }

  void drain();  // SIGQUIT: no new connections; returns at once, finished() tells.
  void stop();   // SIGTERM: everything ends now.
  bool finished() const;
  void join();

 private:
  struct Listener {
    net::Address address;
    std::vector<int> descriptors;  // One per worker, until the workers have taken them over.
  };
  Result<Listener> bind(const pipeline::ListenerConfig& config) const;
  static void close(Listener& listener);

  Published<pipeline::Snapshot> published_;
  unsigned count_ = 1;
  std::vector<Listener> listeners_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;
};

}  // namespace keepgate::cli

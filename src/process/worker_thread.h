// WorkerThread: one thread that serves, with its loop and its part of the listening sockets.
//
// Thread rule: the main thread calls everything here; the thread is told by messages. Lifetime: drain() or stop(), then
// join(), before destruction.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "base/published.h"
#include "pipeline/accept.h"
#include "pipeline/snapshot.h"
#include "process/listeners.h"

namespace keepgate::password {
class Pool;
}
namespace keepgate::issuer {
class Introspector;
class IssuerService;
}  // namespace keepgate::issuer
namespace keepgate::net {
class Background;
}

namespace keepgate::process {

// A socket that a worker accepts from.
struct SocketUse {
  net::Address address;
  std::shared_ptr<const Socket> socket;
  bool shared = false;  // With other workers: only one of them is woken for a connection.
};

// What becomes of the listening sockets when a worker ends.
enum class Sockets : std::uint8_t {
  close = 0,  // Nobody serves them any longer: who is connecting already is served first.
  hand_over,  // Others serve them on: it lets go of them at once.
};

// What all workers ask, on threads of its own. Outlives them.
struct Services {
  net::Background& background;
  issuer::IssuerService& issuers;
  issuer::Introspector& introspector;
  password::Pool& passwords;
};

class WorkerThread {
 public:
  WorkerThread(const Published<pipeline::Snapshot>& published, const Services& services, unsigned number);
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  [[nodiscard]] bool start();  // False, and said in the log: the system has no thread or no descriptors left.
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  void join();
  unsigned number() const { return number_; }

  // It accepts from these and no others. Sockets in `removed` are served to the end of their queues first; others that
  // it used are somebody else's now. `snapshot`: the configuration with these sockets.
  void use(std::vector<SocketUse> wanted, std::vector<std::shared_ptr<const Socket>> removed,
           std::shared_ptr<const pipeline::Snapshot> snapshot);
  // Requests under way are finished, at most for `timeout_ms`; -1: as long as they take.
  void drain(Sockets sockets, std::int64_t timeout_ms);
  void stop();  // Everything ends now.

  // Is it alive? ask(), and some time later answered().
  void ask();
  bool answered() const { return answers_.load(std::memory_order_relaxed) == asked_; }

 private:
  class Inside;  // What lives on the thread.
  void run(std::promise<bool> ready);
  void place(const pipeline::Snapshot& snapshot);  // On its own thread: processors and priority.

  template <typename Action>
  void tell(Action action);

  const Published<pipeline::Snapshot>& published_;
  Services services_;
  unsigned number_;
  std::thread thread_;
  std::unique_ptr<net::Loop> loop_;  // Outlives its thread: another may be posting to it just now.
  Inside* inside_ = nullptr;
  bool pinned_ = false;
  std::atomic<bool> finished_{false};
  std::atomic<std::uint64_t> answers_{0};
  std::uint64_t asked_ = 0;
};

}  // namespace keepgate::process

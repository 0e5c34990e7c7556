// Workers: the threads that serve, their listening sockets, and how to reload and end them.
//
// Thread rule: the main thread calls everything here. Lifetime: stop() or drain(), then join(), before destruction.
#pragma once

#include <memory>
#include <vector>

#include "base/error.h"
#include "base/published.h"
#include "pipeline/snapshot.h"
#include "process/listeners.h"
#include "process/worker_thread.h"

namespace keepgate::fetch {
class Client;
}
namespace keepgate::issuer {
class FeedService;
class Introspector;
class IssuerService;
}  // namespace keepgate::issuer
namespace keepgate::net {
class Background;
}
namespace keepgate::password {
class Pool;
}
namespace keepgate::store {
class FileWatcher;
}
namespace keepgate::upstream {
class HealthChecker;
class NameKeeper;
}  // namespace keepgate::upstream

namespace keepgate::process {

class Workers {
 public:
  Workers();
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Binds all listeners of the snapshot, or takes them from `inherited`. Nothing serves yet; fails if any cannot be
  // had.
  Result<void> open(std::shared_ptr<const pipeline::Snapshot> snapshot, const std::vector<Listener>& inherited = {});
  // Serves with what was opened. Fails, and nothing serves, if the system has no thread or no descriptors left.
  Result<void> start();
  // Binds what is new, publishes, starts and retires workers, serves and closes what is gone. On failure nothing has
  // changed. `gone`: what becomes of sockets that are not listened on any more.
  Result<void> reload(std::shared_ptr<const pipeline::Snapshot> snapshot, Sockets gone = Sockets::close);
  std::shared_ptr<const pipeline::Snapshot> current() const { return published_.current(); }
  const std::vector<Listener>& listeners() const { return listeners_; }
  std::size_t count() const { return threads_.size(); }

  // Requests under way are finished; returns at once, finished() tells. With hand_over the sockets stay open, for
  // another process or for start().
  void drain(Sockets sockets);
  void stop(Sockets sockets);  // Everything ends now.
  bool finished() const;
  void join();
  void reap();  // Workers that were retired and are done.

  // Asks every worker that has answered the last time. The numbers of those that have not.
  std::vector<unsigned> ask();

 private:
  using SocketList = std::vector<std::shared_ptr<const Socket>>;
  SocketList give_up(const std::vector<Listener>& listeners, Sockets sockets);
  Result<void> start_background();
  static Result<void> start_authorization(const pipeline::Snapshot& snapshot);
  Result<void> follow_feeds(const pipeline::Snapshot& snapshot);
  Result<void> start_threads(unsigned count);  // On failure there are as many as before.
  void assign(const SocketList& removed);
  void retire_surplus(unsigned count, const SocketList& removed);
  std::int64_t shutdown_timeout_ms() const;

  Published<pipeline::Snapshot> published_;
  std::vector<Listener> listeners_;
  // Not listened on any more, but workers may still be serving who waits there. Such an address is ours until then.
  struct Going {
    net::Address address;
    std::weak_ptr<const Socket> socket;
  };
  std::vector<Going> going_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;  // By number.
  std::vector<std::unique_ptr<WorkerThread>> retired_;  // Draining.
  std::unique_ptr<store::FileWatcher> file_watcher_;
  std::unique_ptr<upstream::NameKeeper> name_keeper_;
  std::unique_ptr<upstream::HealthChecker> health_checker_;
  std::unique_ptr<fetch::Client> fetcher_;
  std::unique_ptr<fetch::Client> introspection_fetcher_;  // Apart: a flood of tokens holds up no issuer's keys.
  std::unique_ptr<fetch::Client> feed_fetcher_;  // Apart: its questions are held back for as long as nothing happens.
  std::unique_ptr<issuer::FeedService> feeds_;
  std::unique_ptr<issuer::IssuerService> issuers_;
  std::unique_ptr<issuer::Introspector> introspector_;
  std::unique_ptr<password::Pool> passwords_;
  std::unique_ptr<net::Background> background_;  // Its thread ends before what it works for goes.
};

}  // namespace keepgate::process

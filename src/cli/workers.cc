#include "cli/workers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>

#include "base/bytes.h"
#include "net/socket.h"
#include "pipeline/serve.h"
#include "pipeline/worker.h"
#include "upstream/pools.h"

namespace keepgate::cli {

namespace {
constexpr std::int64_t stop_poll_ms = 16;
constexpr std::int64_t stop_ms_max = 2'000;
}  // namespace

class WorkerThread {
 public:
  WorkerThread(const Published<pipeline::Snapshot>& published, unsigned number)
      : published_(published), number_(number) {}

  void start() {
    std::promise<void> ready;
    auto is_ready = ready.get_future();
    thread_ = std::thread([this, &ready] { run(ready); });
    is_ready.wait();
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  bool finished() const { return finished_.load(std::memory_order_acquire); }

  template <typename Action>
  void tell(Action action) {
    struct Told final : net::Message {
      Told(WorkerThread& its_thread, Action its_action) : thread(its_thread), action(std::move(its_action)) {}
      void deliver(net::Loop&) override { action(thread); }
      WorkerThread& thread;
      Action action;
    };
    if (!finished()) loop_->post(std::make_unique<Told>(*this, std::move(action)));
  }

  // The rest runs on the worker's own thread.
  void listen(const net::Address& address, int descriptor) {
    net::Watch* watch = loop_->add(descriptor, address.is_unix());
    if (!watch) {
      ::close(descriptor);
      return;
    }
    listening_.push_back({address, watch, descriptor});
    pipeline::accept_connections(*worker_, watch, descriptor, address);
  }
  void close_listener(const net::Address& address) {
    std::erase_if(listening_, [&](const Listening& one) {
      if (!(one.address == address)) return false;
      close(one);
      return true;
    });
  }
  void drain() {
    close_all_listeners();
    worker_->drain();
    stop_when_empty(INT64_MAX);
  }
  void stop() {
    close_all_listeners();
    worker_->draining = true;
    loop_->cancel_all();
    stop_when_empty(loop_->now().monotonic_ms + stop_ms_max);
  }

 private:
  struct Listening {
    net::Address address;
    net::Watch* watch;
    int descriptor;
  };

  // At once, so that nobody waits in a backlog that will not be served. The accepting coroutine ends later in this
  // turn without touching the descriptor.
  void close(const Listening& one) {
    loop_->cancel(*one.watch);
    loop_->forget(one.descriptor);  // A Unix listener is open in other workers too.
    ::close(one.descriptor);
  }

  void run(std::promise<void>& ready) {
    owned_loop_ = std::make_unique<net::Loop>();
    net::Loop& loop = *owned_loop_;
    upstream::Pools pools(loop);
    pipeline::Worker worker(loop, published_, number_);
    worker.upstreams = &pools;
    loop_ = &loop;
    worker_ = &worker;
    upstream::sweep_regularly(pools, loop, sweeping_over_);
    ready.set_value();
    loop.run();
    finished_.store(true, std::memory_order_release);
  }

  void close_all_listeners() {
    for (const Listening& one : listening_) close(one);
    listening_.clear();
  }

  net::Detached stop_when_empty(std::int64_t deadline_ms) {
    while (worker_->connection_count > 0 && loop_->now().monotonic_ms < deadline_ms) {
      co_await net::SleepUntil(*loop_, loop_->now().monotonic_ms + stop_poll_ms);
    }
    sweeping_over_ = true;
    loop_->cancel_all();
    co_await net::SleepUntil(*loop_, loop_->now().monotonic_ms);  // One more turn: what was cancelled ends.
    loop_->stop();
  }

  const Published<pipeline::Snapshot>& published_;
  unsigned number_;
  std::thread thread_;
  std::unique_ptr<net::Loop> owned_loop_;  // Outlives its thread: another may be posting to it just now.
  net::Loop* loop_ = nullptr;
  pipeline::Worker* worker_ = nullptr;
  std::vector<Listening> listening_;
  bool sweeping_over_ = false;
  std::atomic<bool> finished_{false};
};

Workers::Workers() = default;

Workers::~Workers() {
  join();
  for (Listener& one : listeners_) close(one);
}

void Workers::close(Listener& listener) {
  for (const int descriptor : listener.descriptors) ::close(descriptor);
  listener.descriptors.clear();
  if (listener.address.is_unix()) ::unlink(listener.address.text().c_str() + 5);
}

// TCP: each worker its own socket, the kernel spreads connections. Unix: one socket, shared.
Result<Workers::Listener> Workers::bind(const pipeline::ListenerConfig& config) const {
  Listener out{config.address, {}};
  net::ListenOptions options;
  options.backlog = config.backlog;
  options.ipv6_only = config.ipv6_only;
  options.reuse_port = true;
  for (unsigned i = 0; i < count_; ++i) {
    if (i > 0 && config.address.is_unix()) {
      const int copy = ::fcntl(out.descriptors[0], F_DUPFD_CLOEXEC, 0);
      if (copy < 0) {
        for (const int one : out.descriptors) ::close(one);
        return fail(ErrorKind::io, Blame::us, "listen", cat("no descriptor for ", config.address.text()));
      }
      out.descriptors.push_back(copy);
      continue;
    }
    if (i == 0 && !config.address.is_unix()) {
      // SO_REUSEPORT would share the port with another running program of ours: ask without it first.
      net::ListenOptions alone = options;
      alone.reuse_port = false;
      auto probe = net::listen_on(config.address, alone);
      if (!probe) return std::unexpected(std::move(probe.error()));
      ::close(*probe);
    }
    auto descriptor = net::listen_on(config.address, options);
    if (!descriptor) {
      for (const int one : out.descriptors) ::close(one);
      return std::unexpected(std::move(descriptor.error()));
    }
    out.descriptors.push_back(*descriptor);
  }
  return out;
}

Result<void> Workers::open(std::shared_ptr<const pipeline::Snapshot> snapshot) {
  count_ = std::max(snapshot->worker_count, 1U);
  std::string failures;
  ErrorKind kind = ErrorKind::io;
  for (const pipeline::ListenerConfig& config : snapshot->listeners) {
    auto listener = bind(config);
    if (listener) {
      listeners_.push_back(std::move(*listener));
    } else {
      kind = listener.error().kind;
      append(failures, failures.empty() ? "" : "; ", listener.error().detail);
    }
  }
  if (!failures.empty()) return fail(kind, Blame::configuration, "listen", std::move(failures));
  published_.publish(std::move(snapshot));
  return {};
}

void Workers::start() {
  for (unsigned i = 0; i < count_; ++i) {
    threads_.push_back(std::make_unique<WorkerThread>(published_, i));
    threads_.back()->start();
    for (const Listener& listener : listeners_) {
      threads_.back()->tell([address = listener.address, descriptor = listener.descriptors[i]](WorkerThread& thread) {
        thread.listen(address, descriptor);
      });
    }
  }
  for (Listener& listener : listeners_) listener.descriptors.clear();  // They are the workers' now.
}

Result<void> Workers::reload(std::shared_ptr<const pipeline::Snapshot> snapshot) {
  const auto listens = [](const auto& list, const net::Address& address) {
    return std::any_of(list.begin(), list.end(), [&](const auto& one) { return one.address == address; });
  };
  std::vector<Listener> added;
  for (const pipeline::ListenerConfig& config : snapshot->listeners) {
    if (listens(listeners_, config.address)) continue;
    auto listener = bind(config);
    if (!listener) {
      for (Listener& one : added) close(one);
      return std::unexpected(std::move(listener.error()));
    }
    added.push_back(std::move(*listener));
  }
  published_.publish(snapshot);
  for (Listener& one : added) {
    for (unsigned i = 0; i < threads_.size(); ++i) {
      threads_[i]->tell([address = one.address, descriptor = one.descriptors[i]](WorkerThread& thread) {
        thread.listen(address, descriptor);
      });
    }
    one.descriptors.clear();
    listeners_.push_back(std::move(one));
  }
  for (auto one = listeners_.begin(); one != listeners_.end();) {
    if (listens(snapshot->listeners, one->address)) {
      ++one;
      continue;
    }
    for (unsigned i = 0; i < threads_.size(); ++i) {
      threads_[i]->tell([address = one->address](WorkerThread& thread) { thread.close_listener(address); });
    }
    if (one->address.is_unix()) ::unlink(one->address.text().c_str() + 5);
    one = listeners_.erase(one);
  }
  return {};
}

void Workers::drain() {
  for (const auto& thread : threads_) thread->tell([](WorkerThread& one) { one.drain(); });
}

void Workers::stop() {
  for (const auto& thread : threads_) thread->tell([](WorkerThread& one) { one.stop(); });
}

bool Workers::finished() const {
  return std::all_of(threads_.begin(), threads_.end(), [](const auto& thread) { return thread->finished(); });
}

void Workers::join() {
  for (const auto& thread : threads_) thread->join();
}

}  // namespace keepgate::cli

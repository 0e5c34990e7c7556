#include "process/worker_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/thread.h"
#include "issuer/introspection_supplier.h"
#include "issuer/supplier.h"
#include "net/loop.h"
#include "password/supplier.h"
#include "pipeline/auth_request.h"
#include "pipeline/body_digest.h"
#include "pipeline/key_request.h"
#include "pipeline/mirror.h"
#include "pipeline/worker.h"
#include "upstream/named_groups.h"
#include "upstream/pools.h"

namespace keepgate::process {

namespace {
constexpr std::int64_t end_poll_ms = 16;
constexpr std::int64_t stop_ms_max = 2'000;
constexpr std::int64_t accept_again_ms = 500;
// How long a socket that goes away is still accepted from: the last part of a handshake may be under way.
constexpr std::int64_t handshake_ms = 200;

// What the process was started with. Asked first on the main thread, which is never pinned.
const cpu_set_t& usable_at_start() {
  static const cpu_set_t usable = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  return usable;
}

}  // namespace

class WorkerThread::Inside {
 public:
  Inside(net::Loop& loop, const Published<pipeline::Snapshot>& published, const Services& services, unsigned number)
      : loop_(loop),
        pools_(loop),
        named_groups_(loop, services.background),
        issuer_keys_(loop, services.issuers),
        introspection_(loop, services.introspector),
        passwords_(loop, services.passwords),
        worker_(loop, published, number) {
    worker_.upstreams = &pools_;
    worker_.named_groups = &named_groups_;
    worker_.mirrors = &mirrors_;
    worker_.suppliers[static_cast<std::size_t>(auth::NeedKind::issuer_keys)] = &issuer_keys_;
    worker_.suppliers[static_cast<std::size_t>(auth::NeedKind::introspection)] = &introspection_;
    worker_.suppliers[static_cast<std::size_t>(auth::NeedKind::body_digest)] = &body_digests_;
    worker_.suppliers[static_cast<std::size_t>(auth::NeedKind::password)] = &passwords_;
    worker_.suppliers[static_cast<std::size_t>(auth::NeedKind::subrequest)] = &auth_requests_;
    worker_.suppliers[static_cast<std::size_t>(auth::NeedKind::requested_keys)] = &key_requests_;
    upstream::sweep_regularly(pools_, loop, sweeping_over_);
  }

  void use(const std::vector<SocketUse>& wanted, const std::vector<std::shared_ptr<const Socket>>& removed,
           const std::shared_ptr<const pipeline::Snapshot>& snapshot) {
    if (worker_.draining) return;
    wanted_ = wanted;
    std::vector<std::shared_ptr<pipeline::Acceptor>> going;
    std::erase_if(acceptors_, [&](const auto& acceptor) {
      const auto is_same = [&](const SocketUse& use) { return use.socket == acceptor->owner; };
      if (std::ranges::any_of(wanted, is_same)) return false;
      going.push_back(acceptor);
      return true;
    });
    for (const SocketUse& use : wanted) accept_from(use, snapshot);
    for (const auto& acceptor : going) {
      give_up(acceptor,
              std::ranges::find(removed, acceptor->owner) == removed.end() ? Sockets::hand_over : Sockets::close);
    }
    worker_.reconsider_idle();
  }

  void forget_tokens(std::size_t entries_max) { worker_.token_cache = auth::TokenCache(entries_max); }

  void drain(Sockets sockets, std::int64_t timeout_ms) {
    worker_.drain();
    wanted_.clear();
    for (const auto& acceptor : std::exchange(acceptors_, {})) {
      give_up(acceptor, sockets);
    }
    end_at(timeout_ms < 0 ? INT64_MAX : loop_.now().monotonic_ms + timeout_ms);
  }

  void stop() {
    worker_.draining = stopping_ = true;
    wanted_.clear();
    for (const auto& acceptor : std::exchange(acceptors_, {})) unwatch(*acceptor);
    loop_.cancel_all();
    end_at(loop_.now().monotonic_ms);
  }

 private:
  void accept_from(const SocketUse& use, const std::shared_ptr<const pipeline::Snapshot>& snapshot) {
    const auto is_same = [&](const auto& one) { return one->owner == use.socket; };
    const auto known = std::ranges::find_if(acceptors_, is_same);
    if (known != acceptors_.end()) {
      (*known)->last_snapshot = snapshot;
      return;
    }
    auto acceptor = std::make_shared<pipeline::Acceptor>();
    acceptor->address = use.address;
    acceptor->descriptor = use.socket->descriptor();
    acceptor->owner = use.socket;
    acceptor->last_snapshot = snapshot;
    acceptor->watch = loop_.add(acceptor->descriptor, use.shared);
    if (!acceptor->watch) {
      log(LogLevel::alert, "worker ", worker_.number, " cannot accept on ", use.address.text(), " yet");
      if (!std::exchange(trying_again_, true)) accept_again(snapshot);
      return;
    }
    acceptors_.push_back(acceptor);
    pipeline::accept_connections(worker_, std::move(acceptor));
  }

  // The kernel sends connections to a socket whether somebody accepts from it or not, so it must not stay that way.
  net::Detached accept_again(std::shared_ptr<const pipeline::Snapshot> snapshot) {
    co_await net::SleepUntil(loop_, loop_.now().monotonic_ms + accept_again_ms);
    trying_again_ = false;
    if (worker_.draining) co_return;
    for (const SocketUse& use : wanted_) accept_from(use, snapshot);
  }

  // The accepting coroutine ends later in this turn. First no more events, then what is there: in this order no
  // connection is left to a worker that does not look any longer.
  void unwatch(const pipeline::Acceptor& acceptor) {
    loop_.cancel(*acceptor.watch);
    loop_.forget(acceptor.descriptor);  // It stays open elsewhere.
  }
  void leave(const std::shared_ptr<pipeline::Acceptor>& acceptor) {
    unwatch(*acceptor);
    if (!stopping_) pipeline::accept_rest(worker_, *acceptor);
  }
  void give_up(const std::shared_ptr<pipeline::Acceptor>& acceptor, Sockets sockets) {
    if (sockets == Sockets::hand_over) return leave(acceptor);
    retire(acceptor);
  }
  net::Detached retire(std::shared_ptr<pipeline::Acceptor> acceptor) {
    ++retiring_;
    if (!acceptor->address.is_unix()) {
      co_await net::SleepUntil(loop_, loop_.now().monotonic_ms + handshake_ms);
    }
    leave(acceptor);
    --retiring_;
  }

  bool busy() const { return worker_.connection_count > 0 || retiring_ > 0; }

  void end_at(std::int64_t deadline_ms) {
    deadline_ms_ = std::min(deadline_ms_, deadline_ms);
    if (!std::exchange(ending_, true)) end();
  }
  net::Detached end() {
    while (busy() && loop_.now().monotonic_ms < deadline_ms_) {
      co_await net::SleepUntil(loop_, loop_.now().monotonic_ms + end_poll_ms);
    }
    if (busy()) {
      log(LogLevel::notice, "worker ", worker_.number, " closes ", worker_.connection_count, " connections");
      const std::int64_t patience_ms = loop_.now().monotonic_ms + stop_ms_max;
      loop_.cancel_all();
      while (busy() && loop_.now().monotonic_ms < patience_ms) {
        co_await net::SleepUntil(loop_, loop_.now().monotonic_ms + end_poll_ms);
      }
    }
    sweeping_over_ = true;
    loop_.cancel_all();
    co_await net::SleepUntil(loop_, loop_.now().monotonic_ms);  // One more turn: what was cancelled ends.
    loop_.stop();
  }

  net::Loop& loop_;
  upstream::Pools pools_;
  upstream::NamedGroups named_groups_;
  issuer::IssuerSupplier issuer_keys_;
  issuer::IntrospectionSupplier introspection_;
  pipeline::BodyDigestSupplier body_digests_;
  password::PasswordSupplier passwords_;
  pipeline::AuthRequests auth_requests_;
  pipeline::KeyRequests key_requests_;
  pipeline::Mirrors mirrors_;
  pipeline::Worker worker_;
  std::vector<SocketUse> wanted_;
  std::vector<std::shared_ptr<pipeline::Acceptor>> acceptors_;
  bool trying_again_ = false;
  unsigned retiring_ = 0;
  std::int64_t deadline_ms_ = INT64_MAX;
  bool ending_ = false;
  bool stopping_ = false;
  bool sweeping_over_ = false;
};

WorkerThread::WorkerThread(const Published<pipeline::Snapshot>& published, const Services& services, unsigned number)
    : published_(published), services_(services), number_(number) {}

WorkerThread::~WorkerThread() { join(); }

bool WorkerThread::start() {
  usable_at_start();
  std::promise<bool> ready;
  std::future<bool> is_ready = ready.get_future();
  if (!start_thread(thread_, [this, ready = std::move(ready)]() mutable { run(std::move(ready)); })) {
    log(LogLevel::alert, "worker ", number_, ": the system refuses a thread");
    return false;
  }
  return is_ready.get();
}

void WorkerThread::join() {
  if (thread_.joinable()) thread_.join();
}

void WorkerThread::run(std::promise<bool> ready) {
  ::pthread_setname_np(::pthread_self(), cat("kg-worker-", number_).c_str());
  loop_ = std::make_unique<net::Loop>();
  if (!loop_->valid()) {
    finished_.store(true, std::memory_order_release);
    return ready.set_value(false);
  }
  place(*published_.current());
  Inside inside(*loop_, published_, services_, number_);
  inside_ = &inside;
  ready.set_value(true);
  loop_->run();
  finished_.store(true, std::memory_order_release);
}

// Either may be new with any configuration. Without them no call is made: a sandbox may forbid it.
void WorkerThread::place(const pipeline::Snapshot& snapshot) {
  const auto& choices = snapshot.worker_processors;
  if (!choices.empty() || pinned_) {
    cpu_set_t processors = usable_at_start();
    if (!choices.empty()) {
      CPU_ZERO(&processors);
      for (const unsigned one : choices[std::min<std::size_t>(number_, choices.size() - 1)]) CPU_SET(one, &processors);
    }
    const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof processors, &processors);
    if (error != 0) log(LogLevel::alert, "worker ", number_, ": sched_setaffinity() failed: ", std::strerror(error));
    pinned_ = !choices.empty();
  }
  if (!snapshot.worker_priority) return;
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), *snapshot.worker_priority) != 0) {
    log(LogLevel::alert, "worker ", number_, ": setpriority(", *snapshot.worker_priority,
        ") failed: ", std::strerror(errno));
  }
}

template <typename Action>
void WorkerThread::tell(Action action) {
  struct Told final : net::Message {
    Told(Inside& its_inside, Action its_action) : inside(its_inside), action(std::move(its_action)) {}
    void deliver(net::Loop&) override { action(inside); }
    Inside& inside;
    Action action;
  };
  if (!finished()) loop_->post(std::make_unique<Told>(*inside_, std::move(action)));
}

void WorkerThread::use(std::vector<SocketUse> wanted, std::vector<std::shared_ptr<const Socket>> removed,
                       std::shared_ptr<const pipeline::Snapshot> snapshot) {
  tell(
      [this, wanted = std::move(wanted), removed = std::move(removed), snapshot = std::move(snapshot)](Inside& inside) {
        place(*snapshot);
        // No verifier of the new configuration is one of the old: what they verified would lie there until it is pushed
        // out, and the size may be another.
        inside.forget_tokens(snapshot->token_cache_entries);
        inside.use(wanted, removed, snapshot);
      });
}

void WorkerThread::drain(Sockets sockets, std::int64_t timeout_ms) {
  tell([=](Inside& inside) { inside.drain(sockets, timeout_ms); });
}

void WorkerThread::stop() {
  tell([](Inside& inside) { inside.stop(); });
}

void WorkerThread::ask() {
  ++asked_;
  tell([this](Inside&) { answers_.fetch_add(1, std::memory_order_relaxed); });
}

}  // namespace keepgate::process

#include "pipeline/accept.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "net/socket.h"
#include "pipeline/connection.h"
#include "pipeline/serve.h"

namespace keepgate::pipeline {

namespace {

constexpr std::int64_t accept_pause_ms = 500;
constexpr unsigned accepts_per_turn = 64;

// What a new connection is served by: the newest configuration, unless that does not listen there any more, or only
// by a wildcard that speaks otherwise.
std::pair<std::shared_ptr<const Snapshot>, const ListenerConfig*> configuration_for(Worker& worker,
                                                                                    const Acceptor& acceptor) {
  const std::shared_ptr<const Snapshot>& newest = worker.snapshot.get();
  const ListenerConfig* now = newest->find_listener(acceptor.address);
  if (now && now->address == acceptor.address) return {newest, now};
  const ListenerConfig* before = acceptor.last_snapshot->find_listener(acceptor.address);
  if (now && before && now->tls == before->tls) return {newest, now};
  return {acceptor.last_snapshot, before};
}

void start_connection(Worker& worker, const net::Accepted& accepted, const Acceptor& acceptor) {
  net::Stream stream(worker.loop, accepted.descriptor);
  const auto [snapshot, listener] = configuration_for(worker, acceptor);
  if (!listener || !stream.valid()) return;
  if (worker.connection_count >= snapshot->worker_connections) {
    log(LogLevel::alert, worker.connection_count, " worker_connections are not enough");
    return;
  }
  if (!acceptor.address.is_unix()) net::set_no_delay(accepted.descriptor);
  serve_connection(std::make_unique<Connection>(worker, std::move(stream), accepted.peer, snapshot, *listener));
}

bool is_out_of_descriptors(int error_number) {
  return error_number == EMFILE || error_number == ENFILE || error_number == ENOBUFS || error_number == ENOMEM;
}

// Waits until the listener's watch says that somebody is there.
class ListenerWait : public net::Waiter {
 public:
  explicit ListenerWait(net::Watch& watch) : watch_(watch) {}
  bool await_ready() {
    if (watch_.cancelled) reason_ = net::Wake::cancelled;
    if (!watch_.cancelled && watch_.readable) reason_ = net::Wake::ready;
    return watch_.cancelled || watch_.readable;
  }
  void await_suspend(std::coroutine_handle<> handle) { register_at(watch_.reader, handle); }
  net::Wake await_resume() const { return reason_; }

 private:
  net::Watch& watch_;
};

}  // namespace

net::Detached accept_connections(Worker& worker, std::shared_ptr<const Acceptor> acceptor) {
  net::Watch* const watch = acceptor->watch;
  unsigned in_turn = 0;
  while (true) {
    const net::Wake wake = co_await ListenerWait(*watch);
    if (wake != net::Wake::ready) break;
    const net::Accepted accepted = net::accept_one(acceptor->descriptor);
    if (accepted.descriptor >= 0) {
      start_connection(worker, accepted, *acceptor);
      if (++in_turn < accepts_per_turn) continue;
      in_turn = 0;  // Others have waited long enough.
      co_await net::Yield(worker.loop);
      continue;
    }
    in_turn = 0;
    if (accepted.error_number == EAGAIN) {
      watch->readable = false;
    } else if (is_out_of_descriptors(accepted.error_number)) {
      log(LogLevel::crit, "accept() failed: ", std::strerror(accepted.error_number), "; pausing for ", accept_pause_ms,
          " ms");
      co_await net::SleepUntil(worker.loop, worker.loop.now().monotonic_ms + accept_pause_ms);
    }
  }
  worker.loop.remove(watch);
}

void accept_rest(Worker& worker, const Acceptor& acceptor) {
  while (true) {
    const net::Accepted accepted = net::accept_one(acceptor.descriptor);
    if (accepted.descriptor >= 0) {
      start_connection(worker, accepted, acceptor);
    } else if (accepted.error_number != ECONNABORTED && accepted.error_number != EINTR) {
      return;
    }
  }
}

}  // namespace keepgate::pipeline

#include "pipeline/accept.h"

#include <unistd.h>

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
  const bool agree = now && before && now->tls == before->tls && now->proxy_protocol == before->proxy_protocol;
  if (agree) return {newest, now};
  return {acceptor.last_snapshot, before};
}

void start_connection(Worker& worker, const net::Accepted& accepted, const Acceptor& acceptor) {
  const auto [snapshot, listener] = configuration_for(worker, acceptor);
  if (!listener || !worker.admit()) {
    ::close(accepted.descriptor);
    return;
  }
  net::Stream stream(worker.loop, accepted.descriptor);
  if (!stream.valid()) return;
  if (!acceptor.address.is_unix() && listener->no_delay) net::set_no_delay(accepted.descriptor);
  serve_connection(std::make_unique<Connection>(worker, std::move(stream), accepted.peer, snapshot, *listener));
}

// Why accept() took nobody.
enum class Cause : std::uint8_t { broken = 0, nobody, one_connection, exhausted };

Cause cause_of(int error_number) {
  switch (error_number) {
    case EAGAIN:
      return Cause::nobody;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Cause::exhausted;
    // Trouble of the one connection that was next: accept(2) hands on what the network has to say about it.
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EPERM:  // A firewall rule.
      return Cause::one_connection;
    default:
      return Cause::broken;
  }
}

// Whoever waits longest between two requests gives its descriptor up. Tells whether somebody does.
bool relieve(Worker& worker, Cause cause, int error_number) {
  const std::size_t closed = cause == Cause::exhausted ? worker.close_longest_idle() : 0;
  if (worker.exhaustion_news.is_due(worker.loop.now().monotonic_ms)) {
    log(LogLevel::crit, "accept4() failed (", error_number, ": ", std::strerror(error_number), "), ",
        closed > 0 ? "closing connections that wait for a request" : "trying again every half second");
  }
  return closed > 0;
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
    const Cause cause = accepted.descriptor >= 0 ? Cause::one_connection : cause_of(accepted.error_number);
    if (accepted.descriptor >= 0) start_connection(worker, accepted, *acceptor);
    if (cause == Cause::nobody) {
      watch->readable = false;
      in_turn = 0;
    } else if (cause != Cause::one_connection && !relieve(worker, cause, accepted.error_number)) {
      in_turn = 0;
      co_await net::SleepUntil(worker.loop, worker.loop.now().monotonic_ms + accept_pause_ms);
    } else if (cause != Cause::one_connection || ++in_turn >= accepts_per_turn) {
      in_turn = 0;  // Others have waited long enough; and what is to be closed is closed in between.
      co_await net::Yield(worker.loop);
    }
  }
  worker.loop.remove(watch);
}

void accept_rest(Worker& worker, const Acceptor& acceptor) {
  while (true) {
    const net::Accepted accepted = net::accept_one(acceptor.descriptor);
    if (accepted.descriptor >= 0) {
      start_connection(worker, accepted, acceptor);
    } else if (cause_of(accepted.error_number) != Cause::one_connection) {
      return;
    }
  }
}

}  // namespace keepgate::pipeline

#include "net/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::net {

namespace {

std::unexpected<Error> system_failure(ErrorKind kind, std::string_view code, std::string_view what) {
  const int number = errno;
  return fail(kind, Blame::us, code, cat(what, " failed (", number, ": ", std::strerror(number), ")"));
}

std::unexpected<Error> listen_failure(std::string_view what) {
  const bool taken = errno == EADDRINUSE;
  auto failure = system_failure(ErrorKind::io, "listen", what);
  if (taken) failure.error().retry = Retry::always;
  return failure;
}

void set_flag(int descriptor, int level, int name, int value) {
  ::setsockopt(descriptor, level, name, &value, sizeof value);
}

// A socket file without a listener is left over from a crash; connecting tells.
bool unix_socket_is_stale(const Address& address) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool refused = ::connect(probe, address.native(), address.native_bytes()) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

int bind_to(int descriptor, const Address& address) {
  if (::bind(descriptor, address.native(), address.native_bytes()) == 0) return 0;
  if (errno != EADDRINUSE || !address.is_unix() || !unix_socket_is_stale(address)) return -1;
  const std::string path = address.text().substr(5);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
    errno = EADDRINUSE;
    return -1;
  }
  ::unlink(path.c_str());
  return ::bind(descriptor, address.native(), address.native_bytes());
}

bool switch_on(int descriptor, int level, int name) {
  constexpr int on = 1;
  return ::setsockopt(descriptor, level, name, &on, sizeof on) == 0;
}

// Before connect(). What was asked for and cannot be had is an error: the other end may rely on who comes.
Result<void> prepare_local_end(int descriptor, const LocalEnd& local, const Address& remote) {
  if (local.keep_alive && !switch_on(descriptor, SOL_SOCKET, SO_KEEPALIVE)) {
    return system_failure(ErrorKind::io, "connect", "setsockopt(SO_KEEPALIVE)");
  }
  if (!local.address) return {};
  const bool six = local.address->family() == AF_INET6;
  if (local.transparent &&
      !switch_on(descriptor, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TRANSPARENT : IP_TRANSPARENT)) {
    return system_failure(ErrorKind::io, bind_failed, "setsockopt(IP_TRANSPARENT)");
  }
  // The port is chosen by connect(), where the other end is known: all ports for each other end, not for all of them.
  if (!remote.is_unix() && local.address->port() == 0) set_flag(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (::bind(descriptor, local.address->native(), local.address->native_bytes()) != 0) {
    return system_failure(ErrorKind::io, bind_failed, cat("bind(", local.address->text(), ")"));
  }
  return {};
}

}  // namespace

void apply_tuning(int listener, const Address& address, const SocketTuning& tuning) {
  if (tuning.receive_buffer_bytes > 0) set_flag(listener, SOL_SOCKET, SO_RCVBUF, tuning.receive_buffer_bytes);
  if (tuning.send_buffer_bytes > 0) set_flag(listener, SOL_SOCKET, SO_SNDBUF, tuning.send_buffer_bytes);
  if (address.is_unix()) return;
  const KeepAlive& keep_alive = tuning.keep_alive;
  if (keep_alive.state != KeepAlive::State::system) {
    set_flag(listener, SOL_SOCKET, SO_KEEPALIVE, keep_alive.state == KeepAlive::State::on ? 1 : 0);
  }
  if (keep_alive.idle_s > 0) set_flag(listener, IPPROTO_TCP, TCP_KEEPIDLE, keep_alive.idle_s);
  if (keep_alive.interval_s > 0) set_flag(listener, IPPROTO_TCP, TCP_KEEPINTVL, keep_alive.interval_s);
  if (keep_alive.count > 0) set_flag(listener, IPPROTO_TCP, TCP_KEEPCNT, keep_alive.count);
  if (tuning.fast_open_queue > 0) set_flag(listener, IPPROTO_TCP, TCP_FASTOPEN, tuning.fast_open_queue);
  set_flag(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, tuning.defer_accept_s);
}

Result<int> listen_on(const Address& address, const ListenOptions& options) {
  const int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return system_failure(ErrorKind::io, "listen", "socket()");
  if (!address.is_unix()) {
    set_flag(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.claim == Claim::join) set_flag(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    if (address.family() == AF_INET6) set_flag(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only ? 1 : 0);
  }
  apply_tuning(descriptor, address, options.tuning);
  if (bind_to(descriptor, address) != 0) {
    auto failure = listen_failure(cat("bind() to ", address.text()));
    ::close(descriptor);
    return failure;
  }
  if (address.is_unix()) ::chmod(address.text().c_str() + 5, options.unix_mode);
  if (::listen(descriptor, options.backlog) != 0) {
    auto failure = listen_failure(cat("listen() on ", address.text()));
    ::close(descriptor);
    return failure;
  }
  // INVARIANT: only after listen(), where the kernel checks the address for the last time: before, a second program
  // could slip in between.
  if (!address.is_unix()) set_flag(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
  return descriptor;
}

void set_backlog(int listener, int backlog) { ::listen(listener, backlog); }

bool send_nobody_new(int listener) {
  // The kernel looks for a listener on the interface that a SYN came in on, and the number need not exist. A handshake
  // under way has found its listener already.
  constexpr int no_interface = INT32_MAX;
  return ::setsockopt(listener, SOL_SOCKET, SO_BINDTOIFINDEX, &no_interface, sizeof no_interface) == 0;
}

std::optional<ListenFacts> listen_facts(int descriptor) {
  const auto option = [descriptor](int level, int name) {
    int value = -1;
    socklen_t bytes = sizeof value;
    return ::getsockopt(descriptor, level, name, &value, &bytes) == 0 ? value : -1;
  };
  if (option(SOL_SOCKET, SO_TYPE) != SOCK_STREAM || option(SOL_SOCKET, SO_ACCEPTCONN) != 1) return std::nullopt;
  ListenFacts facts;
  facts.address = local_address(descriptor);
  const int family = facts.address.family();
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return std::nullopt;
  if (family != AF_UNIX && option(SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP) return std::nullopt;
  if (family == AF_INET6) facts.ipv6_only = option(IPPROTO_IPV6, IPV6_V6ONLY) == 1;
  return facts;
}

Accepted accept_one(int listener) {
  sockaddr_storage peer{};
  socklen_t bytes = sizeof peer;
  const int descriptor = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return {-1, errno, {}};
  return {descriptor, 0, Address::from_native(reinterpret_cast<const sockaddr*>(&peer), bytes)};
}

Task<Result<Stream>> connect(Loop& loop, const Address& address, std::int64_t deadline_ms, Stream* watched,
                             const LocalEnd& local) {
  if (!loop.admits()) co_return fail(ErrorKind::limit, Blame::us, "connect", "worker_connections are not enough");
  int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0 && (errno == EMFILE || errno == ENFILE) && loop.relieve()) {
    co_await Yield(loop);
    descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  if (descriptor < 0) co_return system_failure(ErrorKind::io, "connect", "socket()");
  if (!address.is_unix()) set_no_delay(descriptor);
  if (auto prepared = prepare_local_end(descriptor, local, address); !prepared) {
    ::close(descriptor);
    co_return std::unexpected(std::move(prepared.error()));
  }
  const int started = ::connect(descriptor, address.native(), address.native_bytes());
  if (started != 0 && errno != EINPROGRESS) {
    auto failure = system_failure(ErrorKind::unreachable, "connect", "connect()");
    ::close(descriptor);
    co_return failure;
  }
  Stream stream(loop, descriptor);
  if (!stream.valid()) co_return fail(ErrorKind::io, Blame::us, "connect", "the connection could not be watched");
  // A connection that is still being made is not writable; the edge of its outcome is. `watched` ends the wait early.
  Wake wake = co_await stream.wait_connected(deadline_ms, watched);
  if (wake == Wake::hangup && !watched->broken()) {  // It closed its side only: somebody may still read.
    wake =
        co_await stream.wait_connected(std::min(deadline_ms, loop.now().monotonic_ms + half_closed_grace_ms), nullptr);
    if (wake == Wake::timeout) wake = Wake::hangup;
  }
  if (wake == Wake::timeout) co_return fail(ErrorKind::timeout, Blame::upstream, "connect", "connect() timed out");
  if (wake != Wake::ready) co_return fail(ErrorKind::cancelled, Blame::client, "connect", "cancelled");
  int error = 0;
  socklen_t bytes = sizeof error;
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &bytes);
  if (error != 0) {
    errno = error;
    co_return system_failure(ErrorKind::unreachable, "connect", "connect()");
  }
  co_return stream;
}

Address local_address(int descriptor) {
  sockaddr_storage local{};
  socklen_t bytes = sizeof local;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &bytes) != 0) return {};
  return Address::from_native(reinterpret_cast<const sockaddr*>(&local), bytes);
}

void set_no_delay(int descriptor) { set_flag(descriptor, IPPROTO_TCP, TCP_NODELAY, 1); }

}  // namespace keepgate::net

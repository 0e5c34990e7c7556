#include "proxy/tunnel.h"

namespace keepgate::proxy {

namespace {
constexpr unsigned tunnel_pieces_per_turn = 16;
}

net::Task<bool> Tunnel::write(net::Stream& to, std::string_view bytes, bool down) {
  iovec whole{const_cast<char*>(bytes.data()), bytes.size()};
  const auto sent = co_await net::write_all(to, &whole, 1, timeouts_.send_ms);
  if (!sent) co_return false;
  last_moved_ms_ = x_.now().monotonic_ms;
  (down ? x_.bytes_sent : x_.upstream.bytes_sent) += bytes.size();
  co_return true;
}

// One direction. True: `from` ended in good order, and so may the other direction in its own time.
net::Task<bool> Tunnel::copy(net::Stream& from, net::Stream& to, std::string_view first, bool down) {
  unsigned pieces = 0;
  bool written = true;
  if (!first.empty()) written = co_await write(to, first, down);
  if (!written) co_return false;
  while (true) {
    if (!from.maybe_readable()) {
      // Either direction keeps the tunnel alive.
      const std::int64_t deadline_ms = last_moved_ms_ + timeouts_.idle_ms;
      const net::Wake wake = co_await from.wait_readable(deadline_ms);
      if (wake == net::Wake::timeout && last_moved_ms_ + timeouts_.idle_ms > x_.now().monotonic_ms) continue;
      if (wake != net::Wake::ready) co_return false;
    }
    pipeline::Buffer buffer = x_.worker().buffers.take(pipeline::BufferPool::body_bytes);
    const net::IoResult got = from.read(buffer.data(), buffer.capacity());
    if (got.status == net::Io::want_read) continue;
    if (got.status == net::Io::want_write) {
      const net::Wake wake = co_await from.wait_writable(last_moved_ms_ + timeouts_.idle_ms);
      if (wake != net::Wake::ready) co_return false;
      continue;
    }
    if (got.status == net::Io::closed) {
      to.shutdown_write();
      co_return true;
    }
    if (got.status != net::Io::ok) co_return false;
    if (down) x_.upstream.bytes_received += got.bytes;
    written = co_await write(to, {buffer.data(), got.bytes}, down);
    if (!written) co_return false;
    if (++pieces % tunnel_pieces_per_turn == 0) co_await net::Yield(from.loop());
  }
}

net::Detached Tunnel::start(Tunnel& tunnel, net::Stream& from, net::Stream& to, std::string_view first, bool down) {
  const bool orderly = co_await tunnel.copy(from, to, first, down);
  if (!orderly) {
    // Broken, silent for too long, or the worker stops: then the other direction has no purpose either.
    tunnel.x_.client().cancel();
    tunnel.upstream_.cancel();
  }
  if (--tunnel.running_ == 0 && tunnel.joiner_) net::Loop::current().defer(tunnel.joiner_);
}

net::Task<void> Tunnel::run(std::string_view from_upstream, std::string_view from_client) {
  last_moved_ms_ = x_.now().monotonic_ms;
  running_ = 2;
  start(*this, upstream_, x_.client(), from_upstream, true);
  start(*this, x_.client(), upstream_, from_client, false);
  struct Join {
    Tunnel& tunnel;
    bool await_ready() const { return tunnel.running_ == 0; }
    void await_suspend(std::coroutine_handle<> handle) { tunnel.joiner_ = handle; }
    void await_resume() const {}
  };
  co_await Join{*this};
}

}  // namespace keepgate::proxy

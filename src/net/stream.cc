#include "net/stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace keepgate::net {

Stream::Stream(Loop& loop, int descriptor) : loop_(&loop), watch_(loop.add(descriptor)), descriptor_(descriptor) {
  if (!watch_) {
    ::close(descriptor_);
    descriptor_ = -1;
  }
}

Stream::Stream(Stream&& other) noexcept
    : loop_(other.loop_),
      watch_(std::exchange(other.watch_, nullptr)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      timed_out_(other.timed_out_),
      layer_(std::move(other.layer_)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    close();
    loop_ = other.loop_;
    watch_ = std::exchange(other.watch_, nullptr);
    descriptor_ = std::exchange(other.descriptor_, -1);
    timed_out_ = other.timed_out_;
    layer_ = std::move(other.layer_);
  }
  return *this;
}

void Stream::close() {
  layer_.reset();
  if (watch_) loop_->remove(std::exchange(watch_, nullptr));
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void Stream::shutdown_write() {
  if (layer_) layer_->shutdown();
  ::shutdown(descriptor_, SHUT_WR);
}

void Stream::reset_on_close() {
  const linger now{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// What a layer waits for is not there: without this a wait would return at once and its loop spin.
IoResult Stream::noted(IoResult result) {
  if (result.status == Io::want_read) watch_->readable = watch_->hangup;
  if (result.status == Io::want_write) watch_->writable = false;
  return result;
}

IoResult Stream::handshake_step() { return noted(layer_->handshake()); }

IoResult Stream::read(char* out, std::size_t bytes_max) {
  if (layer_) {
    if (!maybe_readable()) return {Io::want_read};
    const IoResult result = noted(layer_->read(out, bytes_max));
    if (result.status == Io::ok && layer_->drained()) watch_->readable = watch_->hangup;
    return result;
  }
  if (!watch_->readable) return {Io::want_read};
  // The plain system calls: glibc's recv() and send() are cancellation points and pay for it in every threaded program.
  const ssize_t got = ::syscall(SYS_recvfrom, descriptor_, out, bytes_max, 0, nullptr, nullptr);
  if (got > 0) {
    // A short read means drained, but for an end of stream, whose edge came together with the data.
    if (static_cast<std::size_t>(got) < bytes_max) watch_->readable = watch_->hangup;
    return {Io::ok, static_cast<std::size_t>(got)};
  }
  if (got == 0) return {Io::closed};
  if (errno == EAGAIN) {
    watch_->readable = false;
    return {Io::want_read};
  }
  if (errno == EINTR) return read(out, bytes_max);  // There is no other edge to wait for.
  return {Io::failed, 0, errno};
}

IoResult Stream::peek(char* out, std::size_t bytes_max) {
  ssize_t got = 0;
  do {
    got = ::recv(descriptor_, out, bytes_max, MSG_PEEK);
  } while (got < 0 && errno == EINTR);
  watch_->readable = watch_->hangup;
  if (got > 0) return {Io::ok, static_cast<std::size_t>(got)};
  if (got == 0) return {Io::closed};
  if (errno == EAGAIN) return {Io::want_read};
  return {Io::failed, 0, errno};
}

bool Stream::skip(std::size_t bytes) {
  watch_->readable = true;  // What came behind them had its edge already.
  char sink[4096];
  while (bytes > 0) {
    const ssize_t got = ::recv(descriptor_, sink, std::min(bytes, sizeof sink), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

IoResult Stream::write(const iovec* pieces, int count) {
  if (layer_) return noted(layer_->write(pieces, count));
  ssize_t sent = 0;
  if (count == 1) {
    sent = ::syscall(SYS_sendto, descriptor_, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL, nullptr, 0);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = static_cast<std::size_t>(count);
    sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  }
  if (sent >= 0) return {Io::ok, static_cast<std::size_t>(sent)};
  if (errno == EAGAIN) {
    watch_->writable = false;
    return {Io::want_write};
  }
  if (errno == EINTR) return write(pieces, count);
  return {Io::failed, 0, errno};
}

bool Stream::Wait::await_ready() {
  const Watch& watch = *stream_.watch_;
  if (watch.cancelled) {
    reason_ = Wake::cancelled;
    return true;
  }
  const bool ready = what_ == For::reading   ? stream_.maybe_readable()
                     : what_ == For::writing ? watch.writable
                                             : watch.hangup;
  if (ready) {
    reason_ = what_ == For::hangup ? Wake::hangup : Wake::ready;
    return true;
  }
  if (watched_ && watched_->hung_up()) {
    reason_ = Wake::hangup;
    return true;
  }
  return false;
}

bool Stream::Wait::await_suspend(std::coroutine_handle<> handle) {
  Watch& watch = *stream_.watch_;
  handle_ = handle;
  Waiter*& slot = what_ == For::reading ? watch.reader : what_ == For::writing ? watch.writer : watch.hangup_waiter;
  if (slot) return false;
  slot = this;
  slots_[0] = &slot;
  if (watched_) {
    Waiter*& other = watched_->watch_->hangup_waiter;
    KG_ASSERT(!other);
    other = this;
    slots_[1] = &other;
  }
  stream_.loop_->timers().arm(*this, deadline_ms_);
  return true;
}

Task<Wake> wait_for(Stream& stream, Io want, std::int64_t deadline_ms) {
  if (want == Io::want_read) co_return co_await stream.wait_readable(deadline_ms);
  co_return co_await stream.wait_writable(deadline_ms);
}

namespace {

Error wait_error(Wake wake) {
  if (wake == Wake::timeout) return {ErrorKind::timeout, Blame::client, Retry::never, "timeout", "timed out"};
  return {ErrorKind::cancelled, Blame::us, Retry::never, "cancelled", "cancelled"};
}

Error io_error(const Stream& stream, const IoResult& result) {
  std::string why = result.error_number != 0 ? std::strerror(result.error_number) : "closed by the peer";
  if (result.error_number == 0 && stream.layer()) why = stream.layer()->failure();
  return {ErrorKind::closed, Blame::client, Retry::never, "closed", std::move(why)};
}

}  // namespace

Task<Result<void>> write_all(Stream& stream, iovec* pieces, int count, std::int64_t timeout_ms) {
  while (count > 0) {
    const IoResult result = stream.write(pieces, count);
    if (result.status == Io::ok) {
      std::size_t left = result.bytes;
      while (count > 0 && left >= pieces->iov_len) {
        left -= pieces->iov_len;
        ++pieces;
        --count;
      }
      if (count > 0) {
        pieces->iov_base = static_cast<char*>(pieces->iov_base) + left;
        pieces->iov_len -= left;
      }
      continue;
    }
    if (result.status != Io::want_read && result.status != Io::want_write) {
      co_return std::unexpected(io_error(stream, result));
    }
    const Wake wake = co_await wait_for(stream, result.status, stream.loop().now().monotonic_ms + timeout_ms);
    if (wake == Wake::timeout) stream.note_timeout();
    if (wake != Wake::ready) co_return std::unexpected(wait_error(wake));
  }
  co_return Result<void>{};
}

Task<Result<void>> handshake(Stream& stream, std::int64_t deadline_ms) {
  while (true) {
    const IoResult result = stream.handshake_step();
    if (result.status == Io::ok) co_return Result<void>{};
    if (result.status != Io::want_read && result.status != Io::want_write) {
      co_return std::unexpected(io_error(stream, result));
    }
    const Wake wake = co_await wait_for(stream, result.status, deadline_ms);
    if (wake != Wake::ready) co_return std::unexpected(wait_error(wake));
  }
}

}  // namespace keepgate::net

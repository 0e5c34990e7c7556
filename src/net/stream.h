// A connected byte stream over one non-blocking descriptor, plain or with a layer (TLS) on top.
//
// read() and write() never block: they tell what to wait for; wait_readable() and wait_writable() are awaited with a
// deadline. Read readiness is remembered from the edge: no speculative reads, and a short read means drained.
// Thread rule: one loop. Lifetime: a Stream owns its descriptor; it must not be destroyed while a coroutine waits on
// it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "net/loop.h"

namespace keepgate::net {

enum class Io : std::uint8_t { failed = 0, ok, closed /* orderly end */, want_read, want_write };

struct IoResult {
  Io status = Io::failed;
  std::size_t bytes = 0;  // With ok.
  int error_number = 0;   // With failed: errno, or 0 if the layer failed.
};

// What TLS adds to a stream. Implementations read and write the descriptor themselves and are owned by the Stream.
class StreamLayer {
 public:
  virtual ~StreamLayer() = default;
  // One step of the handshake: ok when finished.
  virtual IoResult handshake() = 0;
  virtual IoResult read(char* out, std::size_t bytes_max) = 0;
  virtual IoResult write(const iovec* pieces, int count) = 0;
  // Decrypted bytes that wait inside: readable although the descriptor is not.
  virtual bool has_pending() const = 0;
  // The last read took all that the descriptor had: the next one may wait for an edge.
  virtual bool drained() const { return false; }
  // Says goodbye (close_notify) as far as that needs no waiting.
  virtual void shutdown() = 0;
  // Why the last call failed, for the log.
  virtual std::string failure() const = 0;
};

class Stream {
 public:
  Stream() = default;
  // Takes over `descriptor` (non-blocking, close-on-exec) and registers it. valid() tells whether that worked.
  Stream(Loop& loop, int descriptor);
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  bool valid() const { return watch_ != nullptr; }
  int descriptor() const { return descriptor_; }
  Loop& loop() const { return *loop_; }
  void set_layer(std::unique_ptr<StreamLayer> layer) { layer_ = std::move(layer); }
  StreamLayer* layer() const { return layer_.get(); }

  IoResult read(char* out, std::size_t bytes_max);
  // Looks at what has arrived and leaves it there; below any layer. The next wait is for what comes after it.
  IoResult peek(char* out, std::size_t bytes_max);
  // Throws away that many of the bytes that were looked at.
  bool skip(std::size_t bytes);
  IoResult write(const iovec* pieces, int count);
  IoResult write(std::string_view bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return write(&piece, 1);
  }

  // One step of the layer's handshake.
  IoResult handshake_step();

  // Something may be there to read (or the peer is gone) without waiting.
  bool maybe_readable() const { return watch_->readable || (layer_ && layer_->has_pending()); }
  bool hung_up() const { return watch_->hangup; }  // The peer sends no more; it may still read.
  bool broken() const { return watch_->broken; }   // Nor does it read.
  void cancel() { loop_->cancel(*watch_); }
  bool cancelled() const { return watch_->cancelled; }
  // The peer was too slow in the middle of something (reset_timedout_connection).
  void note_timeout() { timed_out_ = true; }
  bool timed_out() const { return timed_out_; }
  // Ends the wait of whoever reads, once, with Wake::cancelled; the stream stays usable.
  void cancel_reader() { loop_->cancel_waiter(watch_->reader); }
  void cancel_writer() { loop_->cancel_waiter(watch_->writer); }
  void cancel_hangup_waiter() { loop_->cancel_waiter(watch_->hangup_waiter); }
  void shutdown_write();  // Half-close, after the layer's goodbye.
  void reset_on_close();  // The close sends RST: for peers that must not mistake an end for success.
  void close();

  class Wait;
  // One coroutine waits for one direction: a second one's wait ends at once with cancelled. A layer may make a reader
  // wait for writing, and what it does is up to the peer.
  // Ends with ready, timeout or cancelled; with `watched`, also with hangup when that other stream's peer goes away.
  Wait wait_readable(std::int64_t deadline_ms, Stream* watched = nullptr);
  Wait wait_writable(std::int64_t deadline_ms);
  // For what `want` (want_read or want_write) asks; `watched` counts while reading.
  Wait wait_for(Io want, std::int64_t deadline_ms, Stream* watched = nullptr);
  // As wait_writable, and ends with hangup when the peer of `watched` goes away: for connect().
  Wait wait_connected(std::int64_t deadline_ms, Stream* watched);
  // Ends with hangup when the peer goes away, else with timeout or cancelled.
  Wait wait_hangup(std::int64_t deadline_ms);

 private:
  IoResult noted(IoResult result);

  Loop* loop_ = nullptr;
  Watch* watch_ = nullptr;
  int descriptor_ = -1;
  bool timed_out_ = false;
  std::unique_ptr<StreamLayer> layer_;
};

class Stream::Wait : public Waiter {
 public:
  enum class For : std::uint8_t { reading, writing, hangup };
  Wait(Stream& stream, For what, std::int64_t deadline_ms, Stream* watched)
      : what_(what), stream_(stream), watched_(watched) {
    deadline_ms_ = deadline_ms;
  }

  bool await_ready();
  bool await_suspend(std::coroutine_handle<> handle);
  Wake await_resume() const { return reason_; }

 private:
  For what_;  // In the padding behind Waiter's members: an idle connection is little more than this wait.
  Stream& stream_;
  Stream* watched_;
};

inline Stream::Wait Stream::wait_readable(std::int64_t deadline_ms, Stream* watched) {
  return Wait(*this, Wait::For::reading, deadline_ms, watched);
}
inline Stream::Wait Stream::wait_writable(std::int64_t deadline_ms) {
  return Wait(*this, Wait::For::writing, deadline_ms, nullptr);
}
inline Stream::Wait Stream::wait_for(Io want, std::int64_t deadline_ms, Stream* watched) {
  if (want == Io::want_read) return wait_readable(deadline_ms, watched);
  return wait_writable(deadline_ms);
}
inline Stream::Wait Stream::wait_connected(std::int64_t deadline_ms, Stream* watched) {
  return Wait(*this, Wait::For::writing, deadline_ms, watched);
}
inline Stream::Wait Stream::wait_hangup(std::int64_t deadline_ms) {
  return Wait(*this, Wait::For::hangup, deadline_ms, nullptr);
}

// Waits for what `result` (want_read or want_write) asks.
Task<Wake> wait_for(Stream& stream, Io want, std::int64_t deadline_ms);

// Writes everything, waiting as needed. Each wait has `timeout_ms`. The pieces are changed while it works.
Task<Result<void>> write_all(Stream& stream, iovec* pieces, int count, std::int64_t timeout_ms);

// Drives the layer's handshake to its end.
Task<Result<void>> handshake(Stream& stream, std::int64_t deadline_ms);

}  // namespace keepgate::net

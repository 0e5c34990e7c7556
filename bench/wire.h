// What backend and clients share: a readiness poller, an output that survives short writes, a reader of HTTP/1
// messages.
//
// Own and small on purpose: the measuring side shares no code with what it measures. Thread rule: one thread.
#pragma once

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keepgate::bench {

std::uint64_t monotonic_ns();

class Handler {
 public:
  virtual ~Handler() = default;
  virtual void on_ready(std::uint32_t events) = 0;
};

// Edge-triggered; each descriptor is registered once, for reading and writing. Handlers must outlive their descriptor.
class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  void add(int descriptor, Handler& handler);
  void run_once(std::uint64_t timeout_ns);

 private:
  int epoll_;
};

enum class Flow : std::uint8_t { failed = 0, blocked, done };

// Sends one prepared message. The bytes are borrowed and must stay until Flow::done.
class Output {
 public:
  void start(std::string_view message) { left_ = message; }
  bool idle() const { return left_.empty(); }
  Flow flush(int descriptor);

 private:
  std::string_view left_;
};

// Finds the ends of messages in a byte stream: head up to the empty line, then Content-Length bytes, which are dropped.
class MessageReader {
 public:
  // Takes bytes up to the end of one message. Returns how many were used; complete() tells whether that was the end.
  std::size_t take(std::string_view bytes);
  bool complete() const { return state_ == State::complete; }
  bool failed() const { return state_ == State::failed; }
  bool started() const { return state_ != State::head || !pending_.empty(); }
  int status() const { return status_; }  // Of a response.
  void reset();

 private:
  enum class State : std::uint8_t { failed = 0, head, body, complete };
  static constexpr std::size_t head_bytes_max = 64 * 1024;

  void read_head(std::string_view head);

  std::string pending_;  // A head that came in pieces.
  std::uint64_t body_left_ = 0;
  int status_ = 0;
  State state_ = State::head;
};

// Non-blocking, TCP_NODELAY. -1 on failure.
int connect_loopback(std::uint16_t port);
int listen_loopback(std::uint16_t port);
int accept_from(int listener);

// One buffer for every read: what is in it is used before the next read.
struct ReadBuffer {
  static constexpr std::size_t bytes = 256 * 1024;
  char data[bytes];
};

}  // namespace keepgate::bench

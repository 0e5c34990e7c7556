// Making sockets: listeners, accepting, connecting. Non-blocking, close-on-exec.
//
// Thread rule: free functions; a descriptor belongs to whoever was handed it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "net/address.h"
#include "net/stream.h"

namespace keepgate::net {

// Whose an address is. Ignored for Unix sockets.
enum class Claim : std::uint8_t {
  alone = 0,  // Nobody has it, and of two programs that ask at once only one gets it. We can join() it afterwards.
  join,       // One more socket (SO_REUSEPORT) of an address that we hold.
};

// TCP's probes of a silent peer; 0: the system's value.
struct KeepAlive {
  enum class State : std::uint8_t { system = 0, on, off };
  State state = State::system;
  int idle_s = 0, interval_s = 0, count = 0;
  bool operator==(const KeepAlive&) const = default;
};

// Parameters of `listen` that change no answer. Accepted connections inherit them from the listening socket.
struct SocketTuning {
  int receive_buffer_bytes = 0, send_buffer_bytes = 0;  // 0: the system's.
  int fast_open_queue = 0;                              // 0: no TCP Fast Open.
  int defer_accept_s = 0;                               // 0: a connection is there before its first byte.
  KeepAlive keep_alive;
  bool operator==(const SocketTuning&) const = default;
};

struct ListenOptions {
  int backlog = 511;
  Claim claim = Claim::alone;
  bool ipv6_only = true;
  SocketTuning tuning;
  unsigned unix_mode = 0666;  // nginx's; who may connect is decided by the directory.
};

// A bound, listening descriptor. A stale Unix socket file that nobody listens on is replaced; a live one is an error.
// Where somebody else has the address, who may soon be gone, the error says Retry::always.
Result<int> listen_on(const Address& address, const ListenOptions& options);

void set_backlog(int listener, int backlog);
void apply_tuning(int listener, const Address& address, const SocketTuning& tuning);

// From now on the kernel sends nobody new here: they are refused, or find another listener. Handshakes that had begun
// are finished: what is accepted afterwards is all there was, and then the socket can be closed without resetting
// anybody. False if the kernel cannot. Not for Unix sockets.
bool send_nobody_new(int listener);

// Of a descriptor that somebody handed us. Nothing unless it is a listening stream socket.
struct ListenFacts {
  Address address;
  bool ipv6_only = true;
};
std::optional<ListenFacts> listen_facts(int descriptor);

struct Accepted {
  int descriptor = -1;  // -1: see error_number.
  int error_number = 0;
  Address peer;
};
Accepted accept_one(int listener);

// A client that closed its side may still be reading; how long that is believed while nothing comes for it.
inline constexpr std::int64_t half_closed_grace_ms = 1'000;

// What our own end of a connection is like.
struct LocalEnd {
  std::optional<Address> address;  // Where it comes from; port 0: the kernel's choice, once it knows the other end.
  bool transparent = false;        // The address need not be one of ours (IP_TRANSPARENT; takes CAP_NET_RAW).
  bool keep_alive = false;         // SO_KEEPALIVE
};
inline constexpr std::string_view bind_failed = "bind";  // Error::code when `address` cannot be had.

// Starts a connection and waits for it until `deadline_ms`; hangup of `watched` cancels it, half a hangup soon.
Task<Result<Stream>> connect(Loop& loop, const Address& address, std::int64_t deadline_ms, Stream* watched = nullptr,
                             const LocalEnd& local = {});

Address local_address(int descriptor);
void set_no_delay(int descriptor);

}  // namespace keepgate::net

// Making sockets: listeners (one per worker by SO_REUSEPORT), accepting, connecting. Non-blocking, close-on-exec.
//
// Thread rule: free functions; a descriptor belongs to whoever was handed it.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "net/address.h"
#include "net/stream.h"

namespace keepgate::net {

struct ListenOptions {
  int backlog = 511;
  bool reuse_port = true;  // Ignored for Unix sockets.
  bool ipv6_only = true;
  unsigned unix_mode = 0666;  // nginx's; who may connect is decided by the directory.
};

// A bound, listening descriptor. A stale Unix socket file that nobody listens on is replaced; a live one is an error.
Result<int> listen_on(const Address& address, const ListenOptions& options);

struct Accepted {
  int descriptor = -1;  // -1: see error_number.
  int error_number = 0;
  Address peer;
};
Accepted accept_one(int listener);

// Starts a connection and waits for it until `deadline_ms`; hangup of `watched` cancels it.
Task<Result<Stream>> connect(Loop& loop, const Address& address, std::int64_t deadline_ms, Stream* watched = nullptr);

Address local_address(int descriptor);
void set_no_delay(int descriptor);

}  // namespace keepgate::net

// Listeners: the listening sockets of the process, by address.
//
// The process holds every socket as long as its address is listened on: a worker that ends hands its own to another,
// and no queue of connections is closed with somebody in it. Thread rule: the main thread's; a Socket may be shared
// with workers. Bounds: as many sockets for an address as there are workers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "net/address.h"
#include "pipeline/snapshot.h"

namespace keepgate::process {

// A listening descriptor, closed with its last owner.
class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

struct Listener {
  net::Address address;
  bool ipv6_only = true;
  bool fixed = false;  // Made by another program (a service manager): taken as it is.
  // One for each worker where they can be had; else (Unix, inherited) workers share.
  std::vector<std::shared_ptr<const Socket>> sockets;

  bool is_for(const pipeline::ListenerConfig& config) const;
  void unlink_path() const;  // Of a Unix socket: nobody finds it any longer.
};

// An address that somebody else has is asked for again, as in nginx: that program may be about to end, and of two that
// start at once each can be in the other's way. Between the tries nothing is held, or two could wait for each other.
inline constexpr int bind_tries_max = 5;
inline constexpr std::int64_t bind_pause_ms = 500;
void pause_before_next_bind();  // Blocks the thread for bind_pause_ms.

// What `wanted` asks for: sockets of `have` where they fit, new ones where not. On failure nothing has changed.
// `going`: addresses of sockets of ours that are not listened on any more, but are still open.
Result<std::vector<Listener>> bind_listeners(const std::vector<Listener>& have,
                                             const std::vector<pipeline::ListenerConfig>& wanted, unsigned workers,
                                             const std::vector<net::Address>& going = {},
                                             const std::function<void()>& pause = pause_before_next_bind);

// Those of `before` that `after` has not.
std::vector<Listener> removed_listeners(const std::vector<Listener>& before, const std::vector<Listener>& after);

}  // namespace keepgate::process

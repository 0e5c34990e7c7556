// Connection: one client connection, over all its requests.
// Thread rule: its worker's. Lifetime: the coroutine that serves it owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/proxy_protocol.h"
#include "net/stream.h"
#include "pipeline/buffer.h"
#include "pipeline/snapshot.h"
#include "pipeline/worker.h"

namespace keepgate::pipeline {

class Connection {
 public:
  Connection(Worker& its_worker, net::Stream its_stream, net::Address its_peer,
             std::shared_ptr<const Snapshot> its_snapshot, const ListenerConfig& its_listener);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Worker& worker;
  net::Stream stream;
  net::Address peer;  // For the length of a request, real_ip may put another address here.
  std::string peer_ip;
  std::shared_ptr<const Snapshot> snapshot;  // Replaced between requests only.
  const ListenerConfig* listener;            // In `snapshot`.
  std::uint64_t number;
  std::int64_t accepted_ms;  // Monotonic.
  std::uint32_t request_count = 0;
  bool tls = false;
  bool idle = false;      // Between requests: may be closed without hurting anybody.
  bool reusable = false;  // Idle, and may be closed to make room: Worker::begin_reusable.
  bool leaving = false;   // The newest configuration does not listen where it came in: its next answer is the last.
  std::int64_t idle_timeout_ms = 0, idle_protected_ms = 0;  // keepalive_timeout, keepalive_min_timeout.
  tls::SessionFacts tls_facts;

  // Bytes received and not yet consumed: in.data()[in_begin, in_end).
  Buffer in;
  std::size_t in_begin = 0, in_end = 0;
  std::string_view received() const { return {in.data() + in_begin, in_end - in_begin}; }
  // The beginning of the next request arrived behind a body that was read elsewhere: it waits until this one is over.
  void keep_pipelined(std::string_view bytes) { pipelined.append(bytes); }
  std::string pipelined;

  // What the PROXY header in front of the connection said; nullptr: there was none, or it named nobody.
  std::unique_ptr<const net::ProxyHeader> proxied;

  void replace_peer(const net::Address& address);
  void restore_peer();
  bool peer_is_replaced() const { return peer_is_replaced_; }
  const net::Address& socket_peer() const { return peer_is_replaced_ ? original_->address : peer; }

  const net::Address& local();  // Asked from the kernel once, when needed.

 private:
  friend struct Worker;
  std::unique_ptr<const net::Address> local_;  // Few ask, and an idle connection should be small.
  bool peer_is_replaced_ = false;
  struct Peer {
    net::Address address;
    std::string ip;
  };
  std::unique_ptr<Peer> original_;  // Made at the first replacement, kept for the next one.
  Connection* next_ = nullptr;
  Connection* previous_ = nullptr;
  Connection* longer_idle_ = nullptr;  // While idle.
  Connection* shorter_idle_ = nullptr;
};

}  // namespace keepgate::pipeline

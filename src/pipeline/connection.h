// Connection: one client connection, over all its requests. Small, since most of them are idle: see connection.cc.
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
  std::string peer_ip() const { return peer.ip_text(); }
  std::shared_ptr<const Snapshot> snapshot;  // Replaced between requests only.
  const ListenerConfig* listener;            // In `snapshot`.
  std::uint64_t number;
  std::int64_t accepted_ms;  // Monotonic.
  std::uint32_t request_count = 0;
  bool tls : 1 = false;
  bool plain_on_tls : 1 = false;  // Where TLS is spoken it began with plain HTTP: answered 497, and `tls` is false.
  bool idle : 1 = false;          // Between requests: may be closed without hurting anybody.
  bool reusable : 1 = false;      // Idle, and may be closed to make room: Worker::begin_reusable.
  bool leaving : 1 = false;  // The newest configuration does not listen where it came in: its next answer is the last.
  std::int64_t idle_timeout_ms = 0, idle_protected_ms = 0;  // keepalive_timeout, keepalive_min_timeout.
  const tls::SessionFacts& tls_facts() const { return tls_facts_ ? *tls_facts_ : no_tls_facts; }
  void set_tls_facts(tls::SessionFacts facts) { tls_facts_ = std::make_unique<tls::SessionFacts>(std::move(facts)); }

  // Bytes received and not yet consumed: in.data()[in_begin, in_end).
  Buffer in;
  std::size_t in_begin = 0, in_end = 0;
  std::string_view received() const { return {in.data() + in_begin, in_end - in_begin}; }
  // The beginning of the next request arrived behind a body that was read elsewhere: it waits until this one is over.
  void keep_pipelined(std::string_view bytes) {
    if (!pipelined) pipelined = std::make_unique<std::string>();
    pipelined->append(bytes);
  }
  std::unique_ptr<std::string> pipelined;  // nullptr: nothing, as nearly always.

  // What the PROXY header in front of the connection said; nullptr: there was none, or it named nobody.
  std::unique_ptr<const net::ProxyHeader> proxied;

  void replace_peer(const net::Address& address);
  void restore_peer();
  bool peer_is_replaced() const { return socket_peer_ != nullptr; }
  const net::Address& socket_peer() const { return socket_peer_ ? *socket_peer_ : peer; }

  const net::Address& local();  // Asked from the kernel once, when needed.

 private:
  friend struct Worker;
  static const tls::SessionFacts no_tls_facts;
  // What few need lies elsewhere: most of the time a connection is idle, and there may be many.
  std::unique_ptr<const tls::SessionFacts> tls_facts_;
  std::unique_ptr<const net::Address> local_;
  std::unique_ptr<const net::Address> socket_peer_;  // While `peer` is replaced.
  Connection* next_ = nullptr;
  Connection* previous_ = nullptr;
  Connection* longer_idle_ = nullptr;  // While idle.
  Connection* shorter_idle_ = nullptr;
};

}  // namespace keepgate::pipeline

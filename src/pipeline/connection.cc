#include "pipeline/connection.h"

#include <utility>

#include "net/socket.h"

namespace keepgate::pipeline {

// An idle connection costs this, its coroutine's frame (serve_plain) and its net::Watch: 512 bytes in all, with
// what the allocator adds. ./dev bench measures it.
static_assert(sizeof(Connection) <= 264);

const tls::SessionFacts Connection::no_tls_facts{};

Connection::Connection(Worker& its_worker, net::Stream its_stream, net::Address its_peer,
                       std::shared_ptr<const Snapshot> its_snapshot, const ListenerConfig& its_listener)
    : worker(its_worker),
      stream(std::move(its_stream)),
      peer(std::move(its_peer)),
      snapshot(std::move(its_snapshot)),
      listener(&its_listener),
      number(worker.next_number()),
      accepted_ms(worker.loop.now().monotonic_ms),
      tls(its_listener.tls) {
  next_ = worker.connections;
  if (next_) next_->previous_ = this;
  worker.connections = this;
  ++worker.connection_count;
  worker.counters.connection_opened();
}

Connection::~Connection() {
  worker.end_reusable(*this);
  if (next_) next_->previous_ = previous_;
  (previous_ ? previous_->next_ : worker.connections) = next_;
  --worker.connection_count;
  worker.counters.connection_closed();
}

void Connection::replace_peer(const net::Address& address) {
  if (!socket_peer_) socket_peer_ = std::make_unique<const net::Address>(peer);
  peer = address;
}

void Connection::restore_peer() {
  if (!socket_peer_) return;
  peer = *socket_peer_;
  socket_peer_.reset();
}

const net::Address& Connection::local() {
  if (!local_) local_ = std::make_unique<const net::Address>(net::local_address(stream.descriptor()));
  return *local_;
}

}  // namespace keepgate::pipeline

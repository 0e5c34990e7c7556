#include "pipeline/connection.h"

#include "net/socket.h"

namespace keepgate::pipeline {

Connection::Connection(Worker& its_worker, net::Stream its_stream, net::Address its_peer,
                       std::shared_ptr<const Snapshot> its_snapshot, const ListenerConfig& its_listener)
    : worker(its_worker),
      stream(std::move(its_stream)),
      peer(its_peer),
      peer_ip(peer.ip_text()),
      snapshot(std::move(its_snapshot)),
      listener(&its_listener),
      number(worker.next_number()),
      accepted_ms(worker.loop.now().monotonic_ms),
      tls(its_listener.tls) {
  next_ = worker.connections;
  if (next_) next_->previous_ = this;
  worker.connections = this;
  ++worker.connection_count;
}

Connection::~Connection() {
  worker.end_reusable(*this);
  if (next_) next_->previous_ = previous_;
  (previous_ ? previous_->next_ : worker.connections) = next_;
  --worker.connection_count;
}

void Connection::replace_peer(const net::Address& address) {
  if (!original_) original_ = std::make_unique<Peer>(Peer{peer, peer_ip});
  peer_is_replaced_ = true;
  peer = address;
  peer_ip = address.ip_text();
}

void Connection::restore_peer() {
  if (!peer_is_replaced_) return;
  peer_is_replaced_ = false;
  peer = original_->address;
  peer_ip = original_->ip;
}

const net::Address& Connection::local() {
  if (!local_) local_ = std::make_unique<const net::Address>(net::local_address(stream.descriptor()));
  return *local_;
}

}  // namespace keepgate::pipeline

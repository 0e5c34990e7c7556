// KeyRequests: asks locations of ours for the keys of auth_jwt_key_request.
//
// Whoever needs the same keys at the same time waits for one and the same round of subrequests; it is nobody's: it
// carries no field and no address of a client, so that no client can choose what keys the others get, and it goes on
// when one of them leaves. Thread rule: its worker's. Bounds: one round at a time for each RequestedKeys;
// auth::keys_document_bytes_max a document; a round is waited for until its time is over, and ends then.
#pragma once

#include <memory>
#include <vector>

#include "auth/requested_keys.h"
#include "pipeline/needs.h"

namespace keepgate::net {
class Waiter;
}

namespace keepgate::pipeline {

class Connection;

class KeyRequests final : public Supplier {
 public:
  explicit KeyRequests(std::int64_t round_ms_max = 60'000) : round_ms_max_(round_ms_max) {}

  net::Task<auth::Answer> supply(Exchange& exchange, const auth::Need& need) override;

 private:
  // Belongs to the coroutine of the round and to whoever waits for it.
  struct Round {
    std::shared_ptr<auth::RequestedKeys> keys;
    std::int64_t began_ms = 0;
    Connection* connection = nullptr;  // While it is not over.
    bool is_over = false;
    std::string reason;  // Why it brought nothing.
    std::shared_ptr<const auth::RequestedKeySet> brought;
    std::vector<net::Waiter*> waiting;
  };

  std::shared_ptr<Round> round_for(Exchange& exchange, const std::shared_ptr<auth::RequestedKeys>& keys);
  static net::Detached run(KeyRequests& self, std::shared_ptr<Round> round, std::unique_ptr<Connection> connection,
                           std::uint32_t server);
  void end(Round& round);

  std::int64_t round_ms_max_;
  std::vector<std::shared_ptr<Round>> rounds_;  // Under way.
};

}  // namespace keepgate::pipeline

// Forward: one permitted request to an upstream and its answer back, over one or, where allowed, several attempts.
//
// Again on a fresh connection: when a pooled one died without a byte of an answer. On another server: by
// proxy_next_upstream (next_upstream.h), within the group's retry budget. Thread rule: its worker's. Lifetime: lives in
// the coroutine of ProxyContent::serve.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/h1_parser.h"
#include "pipeline/exchange.h"
#include "pipeline/permit.h"
#include "pipeline/refusal.h"
#include "proxy/body_pump.h"
#include "proxy/heads.h"
#include "proxy/plan.h"
#include "proxy/relay.h"
#include "upstream/pools.h"

namespace keepgate::proxy {

class Forward {
 public:
  Forward(pipeline::Exchange& exchange, const pipeline::Permit& permit, const Plan& plan);

  net::Task<std::optional<pipeline::Refusal>> run();

 private:
  // How an attempt ended. `refused`: refusal_ is the answer.
  enum class Ended : std::uint8_t { refused = 0, answered, client_gone, try_again };

  std::shared_ptr<upstream::Pool> find_pool();
  bool mint_transaction_token();
  net::Task<Ended> prepare_body();
  net::Task<Ended> store_body();
  net::Task<Ended> attempt();
  net::Task<Ended> connect_link();
  enum class Sent : std::uint8_t { failed = 0, part, whole };
  Sent write_request();
  net::Task<void> start_pump();
  net::Task<Ended> read_response_head();
  std::optional<Ended> judge_answer();
  bool relay_at_once();
  net::Task<Ended> relay_answer();
  void answer_is_over();
  net::Task<Ended> open_tunnel();
  net::Task<bool> pass_interim();
  net::Task<void> end_pump(bool answering = false);
  Ended link_broke(std::string_view what);
  Ended on_wake(net::Wake wake, bool& wait_again);
  Ended body_failed(const Error& error);
  bool grow_buffer();
  bool answer_is_intercepted() const;
  void finish_link();
  Ended refuse(std::uint16_t status, std::string_view code, std::string_view reason);
  upstream::PickInput pick_input();
  // The attempt failed: another server, or refusal_.
  Ended next_or(Failure failure, std::uint16_t status, std::string_view code, std::string_view reason);
  bool may_leave_server(Failure failure);
  bool has_other_server();
  void note_failure(Failure failure, std::uint16_t status, std::string_view code, std::string_view reason);
  void note_answer();
  bool body_replayable() const { return !with_body_ || x_.stored_body || (x_.body.finished() && x_.body.rewindable()); }
  bool watches_client() const { return !plan_.options.ignore_client_abort && !x_.client().hung_up(); }
  std::string_view peer_name() const;  // For messages.

  pipeline::Exchange& x_;
  const pipeline::Permit& permit_;
  const Plan& plan_;
  std::shared_ptr<upstream::Pool> pool_;
  upstream::Lease lease_;  // The peer of the current attempt. After pool_: it ends first.
  upstream::Link link_;
  upstream::Tried tried_;
  unsigned attempts_ = 0;
  std::int64_t began_ms_ = 0;
  bool fresh_only_ = false;    // After a dead pooled connection: the next one is new.
  bool request_sent_ = false;  // Bytes of the current attempt may have reached the upstream.
  std::int64_t sent_ms_ = 0;
  std::int64_t deadline_ms_ = 0;
  std::string transaction_token_;
  bool with_body_ = true;
  std::string_view first_piece_;  // Of the body: what goes out with the head.
  std::string_view upgrade_;      // The protocol that was asked of the upstream; "" for none.
  BodyPump::Unsent unsent_;       // What the connection did not take at once.
  bool body_follows_ = false;     // More than first_piece_ is to be sent.
  std::optional<BodyPump> pump_;
  pipeline::Buffer buffer_;  // The answer.
  std::size_t filled_ = 0;
  http::ResponseParser parser_;
  std::optional<Relay> relay_;  // Of the answer that counts.
  bool sent_close_ = false;     // The request said that its connection ends with it.
  bool reusable_ = false;       // The upstream's side of the answer is over and its connection may go on.
  pipeline::Refusal refusal_;
};

}  // namespace keepgate::proxy

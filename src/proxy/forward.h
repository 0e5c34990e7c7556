// Forward: one permitted request to an upstream and its answer back, over one or, where allowed, several attempts.
//
// Retries: a pooled connection that died without a byte of an answer, and a server that could not be reached or broke
// before it answered; only for idempotent methods once a request was sent (design: nginx-semantics §6). Thread rule:
// its worker's. Lifetime: lives in the coroutine of ProxyContent::serve.
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
#include "upstream/pools.h"

namespace keepgate::proxy {

class Forward {
 public:
  Forward(pipeline::Exchange& exchange, const pipeline::Permit& permit, const Plan& plan);

  net::Task<std::optional<pipeline::Refusal>> run();

 private:
  // How an attempt ended.
  enum class Ended : std::uint8_t { failed = 0, answered, client_gone, try_again };

  enum class More : std::uint8_t { cut = 0, data, end };

  bool mint_transaction_token();
  net::Task<Ended> connect_link();
  net::Task<Ended> attempt();
  net::Task<bool> send_request();
  net::Task<Ended> read_response_head();
  Ended answer_failed(std::string_view what);
  Ended on_wake(net::Wake wake, bool& wait_again);
  net::Task<Ended> relay();
  net::Task<More> read_more();
  net::Task<bool> send_to_client(std::string_view head, std::string_view body, std::string_view tail);
  bool next_body_piece(std::size_t begin, std::size_t end, std::string_view& piece);
  void finish_link();
  Ended refuse(std::uint16_t status, std::string_view code, std::string_view reason);
  Ended cut_off(std::string_view why);
  bool may_try_again() const;
  upstream::PickInput pick_input();
  std::string_view peer_name() const;  // For messages.
  bool body_taken() const { return !with_body_ || x_.body.finished(); }

  pipeline::Exchange& x_;
  const pipeline::Permit& permit_;
  const Plan& plan_;
  std::shared_ptr<upstream::Pool> pool_;
  upstream::Lease lease_;  // The peer of the current attempt. After pool_: it ends first.
  upstream::Link link_;
  upstream::Tried tried_;
  unsigned attempts_ = 0;
  bool fresh_only_ = false;    // After a dead pooled connection: the next one is new.
  bool request_sent_ = false;  // Bytes of the current attempt may have reached the upstream.
  std::int64_t sent_ms_ = 0;
  std::int64_t deadline_ms_ = 0;
  std::string transaction_token_;
  bool with_body_ = true;
  std::string_view first_piece_;  // Of the body, as it came with the head.
  std::optional<BodyPump> pump_;
  pipeline::Buffer buffer_;  // The answer.
  std::size_t filled_ = 0;
  http::ResponseParser parser_;
  http::ChunkedDecoder chunks_;
  std::uint64_t body_left_ = 0;
  bool body_done_ = false;
  bool reusable_ = false;
  pipeline::Refusal refusal_;
};

}  // namespace keepgate::proxy

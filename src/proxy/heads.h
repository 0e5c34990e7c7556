// Heads: the head that goes to the upstream and the one that goes to the client, built from the received ones.
// Thread rule: its worker's. Fields that pass unchanged and stand side by side are copied as one run.
#pragma once

#include <string>
#include <string_view>

#include "http/head.h"
#include "pipeline/exchange.h"
#include "pipeline/permit.h"
#include "proxy/plan.h"

namespace keepgate::proxy {

// What an attempt adds to what the client sent.
struct RequestHeadInput {
  std::string_view transaction_token;  // Sent as Txn-Token; empty for none.
  http::BodyFraming framing = http::BodyFraming::none;
  std::uint64_t content_length = 0;
  std::string_view upgrade;  // The protocol that may be asked for: see upgrade.h.
};
struct SentHead {
  bool upgrade = false;  // An Upgrade field was sent.
  bool close = false;    // RFC 9112 §9.6: no further request may go over this connection.
};
SentHead write_request_head(pipeline::Exchange& exchange, const pipeline::Permit& permit, const Plan& plan,
                            const RequestHeadInput& input, std::string& out);

// How the body goes to the client.
enum class ClientFraming : std::uint8_t { none = 0, content_length, chunked, until_close };
ClientFraming client_framing(const pipeline::Exchange& exchange, const http::ResponseHead& response);

void write_response_head(pipeline::Exchange& exchange, const http::ResponseHead& response, const Plan& plan,
                         ClientFraming framing, std::string& out);
// 101: the connection becomes a tunnel for `protocol`.
void write_switching_head(pipeline::Exchange& exchange, const http::ResponseHead& response, const Plan& plan,
                          std::string_view protocol, std::string& out);
// An interim answer (RFC 9110 §15.2) as it is passed on.
void write_interim_head(const http::ResponseHead& response, const Plan& plan, std::string& out);
// Of an answer's trailer section (whole lines) what may be passed on.
void append_passed_trailers(const Plan& plan, std::string_view trailers, std::string& out);

}  // namespace keepgate::proxy

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

// `transaction_token`: sent as Txn-Token; empty for none.
void write_request_head(pipeline::Exchange& exchange, const pipeline::Permit& permit, const Plan& plan,
                        std::string_view transaction_token, std::string& out);

// How the body goes to the client.
enum class ClientFraming : std::uint8_t { none = 0, content_length, chunked, until_close };
ClientFraming client_framing(const pipeline::Exchange& exchange, const http::ResponseHead& response);

void write_response_head(pipeline::Exchange& exchange, const http::ResponseHead& response, const Plan& plan,
                         ClientFraming framing, std::string& out);

}  // namespace keepgate::proxy

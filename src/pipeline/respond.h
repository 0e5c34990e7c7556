// respond: the one place where answers of our own are born: refusals, returns, redirects.
// Thread rule: its worker's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/task.h"
#include "pipeline/exchange.h"
#include "pipeline/refusal.h"

namespace keepgate::pipeline {

struct LocalAnswer {
  std::uint16_t status = 200;
  std::string_view content_type;  // "" for no body type.
  std::string_view body;          // Lives until the answer is sent.
  std::string_view location;      // Location of a redirect.
  std::string_view extra_fields;  // Whole lines with CRLF.
};

// What a refusal asks of the client (WWW-Authenticate), if anything: for a 401.
void append_challenge(const Exchange& exchange, std::string& out);
// Sends the answer; decides about keep-alive first. Never fails towards the caller: a client that went away is noted
// in the exchange.
net::Task<void> respond(Exchange& exchange, LocalAnswer answer);
// Turns a refusal into status, body and fields and sends it. nginx's page, or problem+json (RFC 9457) where Keepgate's
// own directives are in effect and the client does not insist on HTML.
net::Task<void> respond_refusal(Exchange& exchange, const Refusal& refusal);
// `return` in a location.
net::Task<void> respond_return(Exchange& exchange, const ReturnAction& action);

// A path as a URL of this server, by the name and port that the client used; `absolute_redirect off`: as it is.
std::string absolute_url(const Exchange& exchange, std::string_view path);

// The status that goes out: error_page keeps the original code unless it says `=` (design: nginx-semantics §8).
std::uint16_t final_status(const Exchange& exchange, std::uint16_t status);

// Can the connection take another request after this answer? (client's wish, limits, draining, unread body)
bool may_keep_alive(const Exchange& exchange);
// Appends the fields of add_header that hold for `status`, and RateLimit fields if asked for.
void append_added_headers(Exchange& exchange, std::uint16_t status, std::string& out);
// For proxied answers as well: "Connection: close" or, to a 1.0 client, "keep-alive".
std::string_view connection_line(const Exchange& exchange);

}  // namespace keepgate::pipeline

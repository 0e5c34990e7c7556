#include "pipeline/mirror.h"

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "pipeline/exchange.h"
#include "pipeline/own_connection.h"
#include "pipeline/record.h"
#include "pipeline/serve.h"
#include "pipeline/subrequest.h"

namespace keepgate::pipeline {

namespace {

// "": it is in `body`.
std::string_view copy_body(Exchange& x, std::string& body) {
  if (x.head().framing == http::BodyFraming::none) return {};
  if (!x.body.finished()) return "its body was not read";
  if (!x.stored_body) {
    if (!x.body.rewindable()) return "its body was not kept";
    const auto piece = x.body.take_buffered();
    if (!piece) return "its body is broken";
    body = *piece;
  } else if (x.stored_body->size() <= Mirrors::body_bytes_max) {
    while (body.size() < x.stored_body->size()) {
      const auto piece = x.stored_body->piece(body.size());
      if (!piece || piece->empty()) return "its body cannot be read again";
      body += *piece;
    }
  }
  const bool is_too_large =
      (x.stored_body && body.empty() && x.stored_body->size() > 0) || body.size() > Mirrors::body_bytes_max;
  return is_too_large ? "its body is too large" : "";
}

}  // namespace

void Mirrors::drop(const Exchange& x, std::string_view why) {
  if (!news_.is_due(x.now().monotonic_ms)) return;
  log(LogLevel::warn, "a request is not mirrored: ", why, ", client: ", x.connection().peer_ip(), ", request: \"",
      printable(x.head().method_text), ' ', printable(x.head().raw_path), '"');
}

void Mirrors::send(Exchange& x) {
  const LocationConfig& location = *x.mirrored_by;
  auto copy = std::make_shared<RequestCopy>();
  if (location.mirror_body) {
    const std::string_view trouble = copy_body(x, copy->body);
    if (!trouble.empty()) return drop(x, trouble);
  }
  copy->fill(x);
  for (const std::string& uri : location.mirrors) {
    if (at_a_time_ >= at_a_time_max || bytes_ + copy->body.size() > bytes_max) return drop(x, "too many are under way");
    std::unique_ptr<Connection> connection = make_own_connection(x);
    if (!connection) return drop(x, "no connection is left");
    connection->peer = x.connection().peer;
    if (x.connection().tls) connection->set_tls_facts(tls::SessionFacts(x.connection().tls_facts()));
    run(*this, std::move(connection), x.server().index, uri, copy);
  }
}

net::Detached Mirrors::run(Mirrors& self, std::unique_ptr<Connection> connection, std::uint32_t server, std::string uri,
                           std::shared_ptr<const RequestCopy> copy) {
  Connection& c = *connection;
  ++self.at_a_time_;
  self.bytes_ += copy->body.size();
  if (!copy->body.empty()) {
    c.in = c.worker.buffers.take(copy->body.size());
    std::memcpy(c.in.data(), copy->body.data(), copy->body.size());
    c.in_end = copy->body.size();
  }
  const auto subrequest = std::make_unique<Subrequest>(nullptr, 0);
  std::unique_ptr<Exchange> exchange = c.worker.take_exchange();
  Exchange& sent = *exchange;
  if (sent.begin_copy(c, c.snapshot->servers[server], *subrequest, uri, *copy)) {
    co_await serve_subrequest(sent);
    log_refusal(sent);
  }
  sent.end();
  c.worker.give_back(std::move(exchange));
  self.bytes_ -= copy->body.size();
  --self.at_a_time_;
}

}  // namespace keepgate::pipeline

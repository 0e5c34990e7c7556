#include "proxy/forward.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "http/status.h"
#include "identity/transaction_token.h"
#include "net/proxy_protocol.h"
#include "pipeline/respond.h"
#include "pipeline/worker.h"

namespace keepgate::proxy {

using pipeline::Exchange;
using pipeline::Refusal;

namespace {

// What tells an upstream who the client of this connection is; "" if nothing does.
std::string_view proxy_header(Exchange& x, ProxyHeaderVersion version) {
  pipeline::Connection& c = x.connection();
  switch (version) {
    case ProxyHeaderVersion::v1:
      return x.arena.copy(net::write_proxy_v1(c.peer, c.local()));
    case ProxyHeaderVersion::v2:
      return x.arena.copy(net::write_proxy_v2(c.peer, c.local()));
    case ProxyHeaderVersion::off:
      break;
  }
  return {};
}

constexpr std::size_t coalesced_bytes_max = 4 * 1024;  // Bodies up to here go out in one buffer with the head.
constexpr unsigned pieces_per_turn = 32;               // Of a body, before others get a turn.
constexpr unsigned informational_max = 8;              // 1xx answers before the real one.
constexpr std::int64_t half_closed_grace_ms = 1'000;   // A client that closed its side may still be reading.
constexpr std::size_t response_head_bytes_max = 32 * 1024;

// Sends what a first, immediate write left over. Owns a copy of what lies in shared memory.
net::Task<bool> write_rest(net::Stream& stream, std::string owned, std::string_view borrowed, std::int64_t timeout_ms) {
  iovec pieces[2] = {{owned.data(), owned.size()}, {const_cast<char*>(borrowed.data()), borrowed.size()}};
  const auto sent = co_await net::write_all(stream, pieces, 2, timeout_ms);
  co_return sent.has_value();
}

}  // namespace

Forward::Forward(Exchange& exchange, const pipeline::Permit& permit, const Plan& plan)
    : x_(exchange),
      permit_(permit),
      plan_(plan),
      pool_(exchange.worker().upstreams->pool(plan.options.group, plan.options.tls, plan.options.tls_name)) {}

Forward::Ended Forward::refuse(std::uint16_t status, std::string_view code, std::string_view reason) {
  refusal_ = {};
  refusal_.status = status;
  if (lease_ && (status == 502 || status == 504)) x_.upstream.status = status;  // As nginx tells it.
  refusal_.code = code;
  refusal_.reason = cat(reason, ", upstream: ", peer_name());
  return Ended::failed;
}

upstream::PickInput Forward::pick_input() {
  const upstream::Group& group = *plan_.options.group;
  std::string_view client;
  if (group.method == upstream::Method::ip_hash) {
    client = x_.variable({.variable = route::Variable::binary_remote_addr, .index = 0, .argument = {}});
  }
  return {.key = group.hash_key.empty() ? std::string_view() : x_.evaluate(group.hash_key),
          .client = client,
          .tried = tried_,
          .now_ms = x_.now().monotonic_ms,
          .is_new = attempts_ == 0};
}

std::string_view Forward::peer_name() const {
  return lease_ ? std::string_view(lease_.peer().server.name) : plan_.options.group->name;
}

// The identity that travels inside: minted once per request, whatever the number of attempts.
bool Forward::mint_transaction_token() {
  const identity::TransactionOptions& options = x_.location().transaction;
  if (options.mode != identity::TransactionMode::issue) return true;
  if (!permit_.principal() || !permit_.principal()->identified()) return true;  // Nobody to vouch for: no token.
  identity::MintInput input;
  input.request = {x_.location().service, x_.method_is_get ? std::string_view("GET") : x_.head().method_text,
                   permit_.service_path()};
  input.principal = permit_.principal();
  input.peer_address = x_.connection().peer_ip;
  input.transport = x_.connection().tls ? "https" : "http";
  for (const auto& [name, value] : options.claims) input.extra.emplace_back(name, std::string(x_.evaluate(value)));
  input.now = x_.now();
  auto minted = identity::mint(input, options);
  if (!minted) {
    refuse(500, "internal", cat("no transaction token: ", minted.error().detail));
    return false;
  }
  transaction_token_ = std::move(minted->token);
  x_.minted_transaction = std::move(minted->txn);
  return true;
}

bool Forward::may_try_again() const {
  // What a pump took from the client is gone: only a body that came with the head can be sent twice.
  return (!request_sent_ || http::is_idempotent(x_.head().method)) && !pump_ && body_taken();
}

net::Task<std::optional<Refusal>> Forward::run() {
  if (!mint_transaction_token()) co_return refusal_;
  with_body_ = !x_.method_is_get;
  if (with_body_ && !x_.body.rewindable()) {
    // An error page after a proxy_pass that used the body up: a part must not be sent as if it were the whole.
    refuse(502, "bad_gateway", "the request's body is not there any more");
    co_return refusal_;
  }
  if (with_body_) {
    const auto piece = x_.body.take_buffered();
    if (!piece) {
      refuse(piece.error().kind == ErrorKind::limit ? 413 : 400, piece.error().code, piece.error().detail);
      co_return refusal_;
    }
    first_piece_ = *piece;
  }
  Ended ended = Ended::try_again;
  while (ended == Ended::try_again) {
    if (!tried_.empty() && !pool_->balance().may_retry(x_.now().monotonic_ms)) {
      log(LogLevel::warn, "no retry budget is left, upstream: ", plan_.options.group->name);
      co_return refusal_;
    }
    lease_.end();
    const upstream::PickInput input = pick_input();
    lease_ = pool_->balance().pick(input);
    if (!lease_ && tried_.empty() && pool_->balance().has_queue()) {
      lease_ = co_await pool_->balance().wait_in_line(input, x_.client());
      if (!lease_ && x_.client().broken()) {
        ended = Ended::client_gone;
        break;
      }
    }
    if (!lease_) {
      if (refusal_.reason.empty()) refuse(502, "bad_gateway", "no live upstreams");
      co_return refusal_;
    }
    ++attempts_;
    ended = co_await attempt();
  }
  if (ended == Ended::failed && !x_.response_started) co_return refusal_;
  if (ended == Ended::client_gone) {
    x_.aborted = true;
    if (x_.status == 0) x_.status = 499;
  }
  co_return std::nullopt;
}

// One try on the peer of lease_. Everything that can be shared between tries is untouched by it.
net::Task<Forward::Ended> Forward::attempt() {
  request_sent_ = false;
  filled_ = 0;
  parser_.reset();
  const bool takes_idle = !fresh_only_ && plan_.options.proxy_header == ProxyHeaderVersion::off;
  auto idle = !takes_idle ? std::nullopt : pool_->take_idle(lease_.seat());
  // The record outlives the lease.
  x_.upstream.begin_attempt(x_.arena.copy(lease_.peer().text), attempts_ == 1, x_.now().monotonic_ms);
  if (idle) {
    link_ = std::move(*idle);
    x_.upstream.connect_ms = 0;
  } else {
    const Ended connected = co_await connect_link();
    if (connected != Ended::answered) co_return connected;
  }
  Ended ended = Ended::failed;
  if (co_await send_request()) {
    ended = co_await read_response_head();
  } else {
    ended = answer_failed("the connection broke while the request was sent");
  }
  if (ended == Ended::answered) ended = co_await relay();
  x_.upstream.head = nullptr;  // However it ended: it goes with parser_ and buffer_.
  if (pump_) {
    co_await pump_->stop();
    if (pump_->client_error() || !pump_->complete()) reusable_ = false;
    pump_.reset();
  }
  if (ended == Ended::answered) {
    finish_link();
  } else {
    link_.stream.close();
  }
  co_return ended;
}

net::Task<Forward::Ended> Forward::connect_link() {
  const std::int64_t began = x_.now().monotonic_ms;
  auto link = co_await pool_->connect(lease_.seat(), plan_.options.connect_timeout_ms, &x_.client(),
                                      proxy_header(x_, plan_.options.proxy_header));
  x_.upstream.connect_ms = x_.now().monotonic_ms - began;
  if (link) {
    link_ = std::move(*link);
    co_return Ended::answered;
  }
  const Error& error = link.error();
  if (error.kind == ErrorKind::cancelled) co_return Ended::client_gone;
  if (error.kind == ErrorKind::limit || error.kind == ErrorKind::io) {
    // No descriptor, no connection left: a shortage of ours says nothing about the server.
    log(LogLevel::error, error.detail, " while connecting to upstream ", peer_name(),
        ", client: ", x_.connection().peer_ip);
    co_return refuse(503, "overloaded", error.detail);
  }
  lease_.failed(x_.now().monotonic_ms);
  refuse(error.kind == ErrorKind::timeout ? 504 : 502,
         error.kind == ErrorKind::timeout ? "gateway_timeout" : "bad_gateway", error.detail);
  log(LogLevel::error, error.detail, " while connecting to upstream ", peer_name(),
      ", client: ", x_.connection().peer_ip);
  tried_.add(lease_.peer());
  co_return pool_->balance().peer_count() > 1 ? Ended::try_again : Ended::failed;
}

// Head and, if small, the first piece of the body in one write; a pump sends what is still to come.
net::Task<bool> Forward::send_request() {
  std::string& out = x_.worker().scratch;
  write_request_head(x_, permit_, plan_, transaction_token_, out);
  request_sent_ = true;
  const bool chunked = with_body_ && x_.body.framing() == http::BodyFraming::chunked;
  std::string_view body = first_piece_;
  if (chunked || body.size() <= coalesced_bytes_max) {
    if (chunked && !body.empty()) {
      char size_line[20];
      out.append(size_line, http::write_chunk_head(size_line, body.size()));
    }
    out.append(body);
    if (chunked && !body.empty()) out += "\r\n";
    if (chunked && x_.body.finished()) out += http::last_chunk;
    body = {};
  }
  const std::size_t total = out.size() + body.size();
  const iovec pieces[2] = {{out.data(), out.size()}, {const_cast<char*>(body.data()), body.size()}};
  const net::IoResult sent = link_.stream.write(pieces, body.empty() ? 1 : 2);
  if (sent.status == net::Io::failed || sent.status == net::Io::closed) co_return false;
  if (sent.bytes < total) {
    const std::size_t of_head = std::min(sent.bytes, out.size());
    const std::string_view body_rest = body.substr(sent.bytes - of_head);
    const bool ok = co_await write_rest(link_.stream, out.substr(of_head), body_rest, plan_.options.send_timeout_ms);
    if (!ok) co_return false;
  }
  sent_ms_ = x_.now().monotonic_ms;
  if (!body_taken()) {
    if (x_.body.waits_for_continue()) co_await x_.body.send_continue(x_.location().client_body_timeout_ms);
    pump_.emplace(x_, link_.stream, plan_.options.send_timeout_ms);
    pump_->start();
  }
  co_return true;
}

// A connection that failed before a byte of an answer: again on a fresh one or on another server, if that is harmless.
Forward::Ended Forward::answer_failed(std::string_view what) {
  if (link_.reused() && filled_ == 0 && may_try_again() && !fresh_only_) {
    fresh_only_ = true;
    return Ended::try_again;
  }
  lease_.failed(x_.now().monotonic_ms);
  log(LogLevel::error, what, " by upstream ", peer_name(), ", client: ", x_.connection().peer_ip);
  refuse(502, "bad_gateway", what);
  if (pool_->balance().peer_count() == 1 || !may_try_again()) return Ended::failed;
  tried_.add(lease_.peer());
  return Ended::try_again;
}

// Why a wait for the answer ended, when it was not for data.
Forward::Ended Forward::on_wake(net::Wake wake, bool& wait_again) {
  wait_again = false;
  const std::int64_t now_ms = x_.now().monotonic_ms;
  if (wake == net::Wake::hangup) {
    if (x_.client().broken()) return Ended::client_gone;
    deadline_ms_ = std::min(deadline_ms_, now_ms + half_closed_grace_ms);
    wait_again = true;
    return Ended::failed;
  }
  if (pump_ && pump_->client_error()) {
    const Error& error = *pump_->client_error();
    if (error.kind == ErrorKind::closed || error.kind == ErrorKind::cancelled) return Ended::client_gone;
    const std::uint16_t status = error.kind == ErrorKind::timeout ? 408 : error.kind == ErrorKind::limit ? 413 : 400;
    return refuse(status, error.code, error.detail);
  }
  if (wake == net::Wake::cancelled) return Ended::client_gone;  // The worker is stopping.
  if (x_.client().hung_up()) return Ended::client_gone;
  // The clock runs from the last byte that went up, not from the first of a long upload.
  if (pump_ && (pump_->running() || now_ms - pump_->last_progress_ms() < plan_.options.read_timeout_ms)) {
    deadline_ms_ = now_ms + plan_.options.read_timeout_ms;
    wait_again = true;
    return Ended::failed;
  }
  log(LogLevel::error, "upstream timed out while reading response header from upstream ", peer_name(),
      ", client: ", x_.connection().peer_ip);
  lease_.failed(now_ms);
  return refuse(504, "gateway_timeout", "the upstream did not answer in time");
}

net::Task<Forward::Ended> Forward::read_response_head() {
  if (!buffer_) buffer_ = x_.worker().buffers.take(pipeline::BufferPool::body_bytes);
  deadline_ms_ = x_.now().monotonic_ms + plan_.options.read_timeout_ms;
  unsigned informational = 0;
  while (true) {
    const net::IoResult got = link_.stream.read(buffer_.data() + filled_, buffer_.capacity() - filled_);
    if (got.status == net::Io::want_read || got.status == net::Io::want_write) {
      net::Stream* watched = x_.client().hung_up() ? nullptr : &x_.client();
      const net::Wake wake = got.status == net::Io::want_read
                                 ? co_await link_.stream.wait_readable(deadline_ms_, watched)
                                 : co_await link_.stream.wait_writable(deadline_ms_);
      if (wake == net::Wake::ready) continue;
      bool wait_again = false;
      const Ended ended = on_wake(wake, wait_again);
      if (wait_again) continue;
      co_return ended;
    }
    if (got.status != net::Io::ok) co_return answer_failed("the connection was closed before an answer");
    filled_ += got.bytes;
    http::ParseStatus status = parser_.parse({buffer_.data(), filled_}, x_.head().method);
    while (status == http::ParseStatus::complete && parser_.head().status < 200 && parser_.head().status != 101) {
      if (++informational > informational_max) co_return refuse(502, "bad_gateway", "too many 1xx answers");
      const std::size_t used = parser_.head_bytes();
      std::memmove(buffer_.data(), buffer_.data() + used, filled_ - used);
      filled_ -= used;
      parser_.reset();
      status = parser_.parse({buffer_.data(), filled_}, x_.head().method);
    }
    if (status == http::ParseStatus::complete) break;
    if (status == http::ParseStatus::refused) {
      lease_.failed(x_.now().monotonic_ms);
      log(LogLevel::error, "upstream sent an invalid header: ", parser_.refusal().reason, ", upstream: ", peer_name());
      co_return refuse(502, "bad_gateway", cat("invalid answer: ", parser_.refusal().reason));
    }
    if (filled_ == buffer_.capacity()) {
      if (filled_ >= response_head_bytes_max) co_return refuse(502, "bad_gateway", "the answer's head is too large");
      pipeline::Buffer larger = x_.worker().buffers.take(response_head_bytes_max);
      std::memcpy(larger.data(), buffer_.data(), filled_);
      buffer_ = std::move(larger);
    }
  }
  if (parser_.head().status == 101) co_return refuse(502, "bad_gateway", "the upstream switched protocols unasked");
  const std::int64_t now_ms = x_.now().monotonic_ms;
  parser_.head().status >= 500 ? lease_.failed_status(now_ms) : lease_.succeeded(now_ms);
  x_.upstream.header_ms = x_.now().monotonic_ms - sent_ms_;
  x_.upstream.status = parser_.head().status;
  co_return Ended::answered;
}

// Decodes buffer_[begin, end) into `piece`; false when the bytes break the framing.
bool Forward::next_body_piece(std::size_t begin, std::size_t end, std::string_view& piece) {
  char* const bytes = buffer_.data() + begin;
  const std::size_t size = end - begin;
  switch (parser_.head().framing) {
    case http::BodyFraming::none:
      body_done_ = true;
      reusable_ = reusable_ && size == 0;
      piece = {};
      return true;
    case http::BodyFraming::content_length: {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(size, body_left_));
      body_left_ -= take;
      body_done_ = body_left_ == 0;
      reusable_ = reusable_ && take == size;  // More than was announced: nobody can say whose bytes they are.
      piece = {bytes, take};
      return true;
    }
    case http::BodyFraming::chunked: {
      const http::ChunkedDecoder::Step step = chunks_.decode(bytes, size);
      body_done_ = step.done;
      reusable_ = reusable_ && (!step.done || step.consumed_bytes == size);
      piece = {bytes, step.data_bytes};
      return !step.malformed;
    }
    case http::BodyFraming::until_close:
      reusable_ = false;
      piece = {bytes, size};
      return true;
  }
  return false;
}

net::Task<bool> Forward::send_to_client(std::string_view head, std::string_view body, std::string_view tail) {
  iovec pieces[3];
  int count = 0;
  for (const std::string_view one : {head, body, tail}) {
    if (!one.empty()) pieces[count++] = {const_cast<char*>(one.data()), one.size()};
  }
  if (count == 0) co_return true;
  const std::size_t total = head.size() + body.size() + tail.size();
  const net::IoResult sent = x_.client().write(pieces, count);
  x_.bytes_sent += total;
  if (sent.status == net::Io::ok && sent.bytes == total) co_return true;
  if (sent.status == net::Io::failed || sent.status == net::Io::closed) co_return false;
  // `head` may lie in the worker's scratch, which does not outlive a wait.
  const std::size_t of_head = std::min(sent.bytes, head.size());
  const std::size_t of_body = std::min(sent.bytes - of_head, body.size());
  const std::string_view tail_rest = tail.substr(sent.bytes - of_head - of_body);
  const std::int64_t timeout_ms = x_.location().send_timeout_ms;
  const bool ok = co_await write_rest(x_.client(), std::string(head.substr(of_head)), body.substr(of_body), timeout_ms);
  if (!ok || tail_rest.empty()) co_return ok;
  co_return co_await write_rest(x_.client(), std::string(tail_rest), {}, timeout_ms);
}

// The next bytes of the body, into the whole buffer.
net::Task<Forward::More> Forward::read_more() {
  while (true) {
    const net::IoResult got = link_.stream.read(buffer_.data(), buffer_.capacity());
    filled_ = got.bytes;
    if (got.status == net::Io::ok) co_return More::data;
    const bool ends_with_connection = parser_.head().framing == http::BodyFraming::until_close;
    if (got.status == net::Io::closed && ends_with_connection) co_return More::end;
    if (got.status != net::Io::want_read && got.status != net::Io::want_write) {
      cut_off("the upstream closed before its answer was complete");
      co_return More::cut;
    }
    net::Stream* watched = x_.client().hung_up() ? nullptr : &x_.client();
    const std::int64_t deadline = x_.now().monotonic_ms + plan_.options.read_timeout_ms;
    const net::Wake wake = got.status == net::Io::want_read ? co_await link_.stream.wait_readable(deadline, watched)
                                                            : co_await link_.stream.wait_writable(deadline);
    if (wake == net::Wake::ready || (wake == net::Wake::hangup && !x_.client().broken())) continue;
    cut_off(wake == net::Wake::timeout ? "upstream timed out" : "the client went away");
    co_return More::cut;
  }
}

// The answer's head is known: sends it and streams the body, one buffer at a time.
net::Task<Forward::Ended> Forward::relay() {
  const http::ResponseHead& response = parser_.head();
  if (plan_.options.intercept_errors && response.status >= 300 && !x_.in_error_page) {
    for (const pipeline::ErrorPage& page : x_.location().error_pages) {
      if (page.status == response.status) co_return refuse(response.status, "upstream_error", "proxy_intercept_errors");
    }
  }
  x_.upstream.head = &response;
  x_.keep_alive = x_.keep_alive && pipeline::may_keep_alive(x_);
  const ClientFraming framing = client_framing(x_, response);
  if (framing == ClientFraming::until_close) x_.keep_alive = false;
  reusable_ = response.keep_alive;
  body_left_ = response.content_length;
  body_done_ = response.framing == http::BodyFraming::content_length && body_left_ == 0;
  chunks_.reset();

  std::string& head = x_.worker().scratch;
  write_response_head(x_, response, plan_, framing, head);
  x_.response_started = true;
  bool head_pending = true;
  unsigned pieces = 0;
  std::size_t begin = parser_.head_bytes();
  while (true) {
    std::string_view piece;
    const bool sound = next_body_piece(begin, filled_, piece);
    if (framing == ClientFraming::none) piece = {};
    char size_line[20];
    std::string_view lead, tail;
    if (framing == ClientFraming::chunked) {
      if (!piece.empty()) lead = {size_line, http::write_chunk_head(size_line, piece.size())};
      tail = piece.empty() ? (body_done_ ? http::last_chunk : std::string_view())
                           : (body_done_ ? std::string_view("\r\n0\r\n\r\n") : std::string_view("\r\n"));
    }
    x_.body_bytes_sent += piece.size();
    if (head_pending) {
      head.append(lead);
      if (piece.size() <= coalesced_bytes_max) {
        head.append(piece).append(tail);
        piece = tail = {};
      }
      lead = head;
      head_pending = false;
    }
    if (!sound || !co_await send_to_client(lead, piece, tail)) break;
    if (body_done_) {
      x_.upstream.response_ms = x_.now().monotonic_ms - sent_ms_;
      co_return Ended::answered;
    }
    if (++pieces % pieces_per_turn == 0) co_await net::Yield(x_.client().loop());
    begin = 0;
    const More more = co_await read_more();
    if (more == More::cut) co_return Ended::failed;
    if (more == More::data) continue;
    body_done_ = true;  // RFC 9112 §6.3: the upstream's orderly end is the end of the body.
    reusable_ = false;
    if (framing == ClientFraming::chunked && !co_await send_to_client({}, {}, http::last_chunk)) break;
    x_.upstream.response_ms = x_.now().monotonic_ms - sent_ms_;
    co_return Ended::answered;
  }
  co_return cut_off("the answer could not be passed on whole");
}

// The client got a part: it must not look like a whole. The connection is reset, or at least closed.
Forward::Ended Forward::cut_off(std::string_view why) {
  log(LogLevel::error, why, ", upstream: ", peer_name(), ", client: ", x_.connection().peer_ip);
  x_.aborted = true;
  x_.keep_alive = false;
  x_.reset_connection = true;
  return Ended::failed;
}

void Forward::finish_link() {
  const bool is_shared = plan_.options.proxy_header == ProxyHeaderVersion::off;  // Else it is for one client.
  if (is_shared && reusable_ && body_taken() && !link_.stream.hung_up()) {
    pool_->give_back(std::move(link_), lease_.seat());
  } else {
    link_.stream.close();
  }
}

}  // namespace keepgate::proxy

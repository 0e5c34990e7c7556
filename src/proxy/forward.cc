#include "proxy/forward.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "http/status.h"
#include "identity/transaction_token.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"
#include "pipeline/subrequest.h"
#include "pipeline/worker.h"
#include "proxy/pieces.h"
#include "proxy/tunnel.h"
#include "proxy/upgrade.h"

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

constexpr unsigned informational_max = 8;  // 1xx answers before the real one.

// An upstream's head may be as large as the buffer for it, in as few lines as it likes.
http::HeadLimits head_limits(const Plan& plan) {
  http::HeadLimits limits;
  limits.line_bytes_max = limits.head_bytes_max = static_cast<std::uint32_t>(plan.options.head_bytes_max);
  return limits;
}

// What the upstream asks of the client goes on whatever page takes the place of its own, as in nginx.
std::string challenge_of(const http::ResponseHead& head) {
  std::string out;
  for (const http::HeaderLine& line : head.headers) {
    if (line.field == http::Field::www_authenticate) append(out, out.empty() ? "" : ", ", line.value);
  }
  return out;
}

}  // namespace

Forward::Forward(Exchange& exchange, const pipeline::Permit& permit, const Plan& plan)
    : x_(exchange),
      permit_(permit),
      plan_(plan),
      pool_(find_pool()),
      began_ms_(exchange.now().monotonic_ms),
      with_body_(plan.options.pass_request_body && !exchange.method_is_get && !exchange.body_given_up &&
                 exchange.head().framing != http::BodyFraming::none),
      parser_(head_limits(plan)) {}

// proxy_bind: nginx goes on without where the value is empty or no address.
std::shared_ptr<upstream::Pool> Forward::find_pool() {
  const ProxyOptions& options = plan_.options;
  upstream::LocalSide local{{}, options.bind_transparent, options.socket_keep_alive};
  if (!options.bind.empty()) {
    local.address = x_.evaluate(options.bind);
    if (!local.address.empty() && !net::Address::ip_with_port(local.address)) {
      log(LogLevel::error, "invalid local address \"", printable(local.address),
          "\", client: ", x_.connection().peer_ip());
      local.address = {};
    }
  }
  return x_.worker().upstreams->pool(options.group, options.tls, options.tls_name, local);
}

Forward::Ended Forward::refuse(std::uint16_t status, std::string_view code, std::string_view reason) {
  refusal_ = {};
  refusal_.status = status;
  if (lease_ && (status == 502 || status == 504)) x_.upstream.status = status;  // As nginx tells it.
  refusal_.code = code;
  refusal_.reason = cat(reason, ", upstream: ", peer_name());
  return Ended::refused;
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

// Asked once for an attempt: the budget counts what it allows.
bool Forward::may_leave_server(Failure failure) {
  const Attempted attempted{attempts_,        x_.now().monotonic_ms - began_ms_,
                            request_sent_,    body_replayable(),
                            x_.head().method, x_.head().method_text};
  if (!may_go_on(failure, plan_.options.next_upstream, attempted) || pool_->balance().peer_count() < 2) return false;
  if (pool_->balance().may_retry(x_.now().monotonic_ms)) return true;
  log(LogLevel::warn, "no retry budget is left, upstream: ", plan_.options.group->name);
  return false;
}

// An answer is given up for another server's only where there is one to ask.
bool Forward::has_other_server() {
  tried_.add(lease_.peer());
  return pool_->balance().has_other(pick_input());
}

void Forward::note_failure(Failure failure, std::uint16_t status, std::string_view code, std::string_view reason) {
  if (counts_as_failed(failure, plan_.options.next_upstream)) lease_.failed(x_.now().monotonic_ms);
  refuse(status, code, reason);
  log(LogLevel::error, refusal_.reason, ", client: ", x_.connection().peer_ip());
}

Forward::Ended Forward::next_or(Failure failure, std::uint16_t status, std::string_view code, std::string_view reason) {
  note_failure(failure, status, code, reason);
  if (!may_leave_server(failure)) return Ended::refused;
  tried_.add(lease_.peer());
  return Ended::try_again;
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
  const std::string peer_ip = x_.connection().peer_ip();
  input.peer_address = peer_ip;
  input.transport = x_.connection().tls ? "https" : "http";
  for (const auto& [name, value] : options.claims) input.extra.emplace_back(name, std::string(x_.evaluate(value)));
  if (x_.facts.token) input.grant = auth::grant_of(x_.facts.token->payload);
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

Forward::Ended Forward::body_failed(const Error& error) {
  if (error.kind == ErrorKind::closed || error.kind == ErrorKind::cancelled) return Ended::client_gone;
  const std::uint16_t status = error.kind == ErrorKind::timeout ? 408
                               : error.kind == ErrorKind::limit ? 413
                               : error.kind == ErrorKind::io    ? 500
                                                                : 400;
  return refuse(status, error.code, error.detail);
}

// proxy_request_buffering: the whole body is here before an upstream is bothered with it.
net::Task<Forward::Ended> Forward::store_body() {
  const pipeline::LocationConfig& location = x_.location();
  pipeline::StoredBody& body =
      x_.stored_body.emplace(x_.worker().buffers, location.client_body_buffer_bytes, location.client_body_temp_path);
  auto kept = body.append(first_piece_);
  while (kept && !x_.body.finished()) {
    const auto piece = co_await x_.body.next(location.client_body_timeout_ms);
    if (!piece) {
      x_.stored_body.reset();  // A part must not look like the whole to whoever comes after an error page.
      co_return body_failed(piece.error());
    }
    kept = body.append(*piece);
  }
  if (!kept) {
    log(LogLevel::crit, kept.error().detail);
    x_.stored_body.reset();
    co_return body_failed(kept.error());
  }
  co_return Ended::answered;
}

net::Task<Forward::Ended> Forward::prepare_body() {
  if (x_.stored_body) co_return Ended::answered;
  // An error page after a proxy_pass that used the body up: a part must not be sent as if it were the whole.
  if (!x_.body.rewindable()) co_return refuse(502, "bad_gateway", "the request's body is not there any more");
  const auto piece = x_.body.take_buffered();
  if (!piece) co_return body_failed(piece.error());
  first_piece_ = *piece;
  if (x_.body.finished() || !plan_.options.request_buffering) co_return Ended::answered;
  co_return co_await store_body();
}

net::Task<std::optional<Refusal>> Forward::run() {
  if (!mint_transaction_token()) co_return refusal_;
  Ended ended = Ended::try_again;
  if (with_body_) {
    ended = co_await prepare_body();
    if (ended == Ended::answered) ended = Ended::try_again;
  }
  while (ended == Ended::try_again) {
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
  if (ended == Ended::refused && !x_.response_started) co_return refusal_;
  if (ended == Ended::client_gone) {
    x_.aborted = true;
    if (x_.status == 0) x_.status = 499;
  }
  co_return std::nullopt;
}

// One try on the peer of lease_. Everything that can be shared between tries is untouched by it.
net::Task<Forward::Ended> Forward::attempt() {
  request_sent_ = false;
  reusable_ = false;
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
  // A small request and its answer wait once: what goes through at once has no coroutine of its own.
  Ended ended = Ended::refused;
  const Sent sent = write_request();
  if (sent == Sent::part) co_await start_pump();
  if (sent == Sent::failed) {
    ended = link_broke("the connection broke while the request was sent");
  } else {
    ended = co_await read_response_head();
  }
  if (ended == Ended::answered) {
    const std::optional<Ended> judged = judge_answer();
    if (!judged && parser_.head().status == 101) co_return co_await open_tunnel();
    if (!judged && relay_at_once()) co_return Ended::answered;
    if (!judged && x_.subrequest() && x_.subrequest()->wants_head_only()) {
      answer_is_over();
      finish_link();
      co_return Ended::answered;
    }
    if (!judged) co_return co_await relay_answer();
    ended = *judged;
  }
  if (pump_) co_await end_pump();
  link_.stream.close();
  co_return ended;
}

net::Task<Forward::Ended> Forward::connect_link() {
  const std::int64_t began = x_.now().monotonic_ms;
  net::Stream* watched = watches_client() ? &x_.client() : nullptr;
  auto link = co_await pool_->connect(lease_.seat(), plan_.options.connect_timeout_ms, watched,
                                      proxy_header(x_, plan_.options.proxy_header));
  x_.upstream.connect_ms = x_.now().monotonic_ms - began;
  if (link) {
    link_ = std::move(*link);
    co_return Ended::answered;
  }
  const Error& error = link.error();
  if (error.kind == ErrorKind::cancelled) co_return Ended::client_gone;
  if (error.code == net::bind_failed) {
    log(LogLevel::crit, error.detail, " while connecting to upstream ", peer_name(),
        ", client: ", x_.connection().peer_ip());
    co_return refuse(500, "internal", error.detail);
  }
  if (error.kind == ErrorKind::limit || error.kind == ErrorKind::io) {
    // No descriptor, no connection left: a shortage of ours says nothing about the server.
    log(LogLevel::error, error.detail, " while connecting to upstream ", peer_name(),
        ", client: ", x_.connection().peer_ip());
    co_return refuse(503, "overloaded", error.detail);
  }
  if (error.kind == ErrorKind::timeout) {
    co_return next_or(Failure::timeout, 504, "gateway_timeout", cat(error.detail, " while connecting to upstream"));
  }
  co_return next_or(Failure::error, 502, "bad_gateway", cat(error.detail, " while connecting to upstream"));
}

// Head and the first piece of the body, small pieces in one buffer, as far as the connection takes them at once.
// `part`: the rest is for start_pump().
Forward::Sent Forward::write_request() {
  std::string& out = x_.worker().scratch;
  // What has arrived whole, or was stored, has a length, whatever framing the client used.
  const bool whole = x_.stored_body || x_.body.finished();
  RequestHeadInput input;
  input.transaction_token = transaction_token_;
  if (with_body_) {
    if (x_.stored_body) first_piece_ = x_.stored_body->piece(0).value_or(std::string_view());
    input.framing = whole ? http::BodyFraming::content_length : x_.body.framing();
    input.content_length = x_.stored_body ? x_.stored_body->size()
                           : whole        ? first_piece_.size()
                                          : x_.body.content_length();
  }
  input.upgrade = plan_.sets_upgrade ? wanted_upgrade(x_.head()) : std::string_view();
  const SentHead head = write_request_head(x_, permit_, plan_, input, out);
  upgrade_ = head.upgrade ? input.upgrade : std::string_view();
  sent_close_ = head.close;
  request_sent_ = true;
  const bool chunked = input.framing == http::BodyFraming::chunked;
  std::string_view body = first_piece_;
  if (chunked || body.size() <= coalesced_bytes_max) {
    if (chunked && !body.empty()) {
      char size_line[20];
      out.append(size_line, http::write_chunk_head(size_line, body.size()));
    }
    out.append(body);
    if (chunked && !body.empty()) out += "\r\n";
    body = {};
  }
  const std::size_t total = out.size() + body.size();
  const iovec pieces[2] = {{out.data(), out.size()}, {const_cast<char*>(body.data()), body.size()}};
  const net::IoResult sent = link_.stream.write(pieces, body.empty() ? 1 : 2);
  if (sent.status == net::Io::failed || sent.status == net::Io::closed) return Sent::failed;
  x_.upstream.bytes_sent += sent.bytes;
  sent_ms_ = x_.now().monotonic_ms;
  body_follows_ = with_body_ && (!whole || first_piece_.size() < input.content_length);
  if (sent.bytes == total) return body_follows_ ? Sent::part : Sent::whole;
  const std::size_t of_head = std::min(sent.bytes, out.size());
  unsent_.head = out.substr(of_head);  // A copy: what it lies in is for everybody.
  unsent_.body = body.substr(sent.bytes - of_head);
  return Sent::part;
}

// What write_request() left over and what is still to come goes up while the answer may already be on its way.
net::Task<void> Forward::start_pump() {
  const bool arrives = body_follows_ && !x_.stored_body && !x_.body.finished();
  // Before anybody else writes to the client.
  if (arrives && x_.body.waits_for_continue()) co_await x_.body.send_continue(x_.location().client_body_timeout_ms);
  pump_.emplace(x_, link_.stream, plan_.options.send_timeout_ms, std::exchange(unsent_, {}), first_piece_.size());
  pump_->start();
}

net::Task<void> Forward::end_pump(bool answering) {
  co_await pump_->stop(answering);
  if (pump_->source_error() || !pump_->complete()) reusable_ = false;
  pump_.reset();
}

// The connection failed before there was an answer: again on a fresh one or on another server, if that is harmless.
Forward::Ended Forward::link_broke(std::string_view what) {
  const bool harmless = http::is_idempotent(x_.head().method, x_.head().method_text) && body_replayable();
  if (link_.reused() && filled_ == 0 && harmless && !fresh_only_) {
    fresh_only_ = true;
    return Ended::try_again;
  }
  return next_or(Failure::error, 502, "bad_gateway", what);
}

// Why a wait for the answer ended, when it was not for data.
Forward::Ended Forward::on_wake(net::Wake wake, bool& wait_again) {
  wait_again = false;
  const std::int64_t now_ms = x_.now().monotonic_ms;
  if (wake == net::Wake::hangup) {
    if (x_.client().broken()) return Ended::client_gone;
    deadline_ms_ = std::min(deadline_ms_, now_ms + net::half_closed_grace_ms);
    wait_again = true;
    return Ended::refused;
  }
  if (pump_ && pump_->source_error()) return body_failed(*pump_->source_error());
  if (pump_ && pump_->stalled()) {
    return next_or(Failure::timeout, 504, "gateway_timeout", "upstream timed out while the request was sent");
  }
  if (pump_ && wake == net::Wake::cancelled && pump_->cut_off_is_news()) {
    wait_again = true;
    return Ended::refused;
  }
  if (wake == net::Wake::cancelled) return Ended::client_gone;  // The worker is stopping.
  if (x_.client().hung_up() && !plan_.options.ignore_client_abort) return Ended::client_gone;
  if (pump_ && pump_->cut_off_ms()) return link_broke("upstream takes no more of the request and does not answer");
  // The clock runs from the last byte that went up, not from the first of a long upload.
  if (pump_ && (pump_->running() || now_ms - pump_->last_progress_ms() < plan_.options.read_timeout_ms)) {
    deadline_ms_ = now_ms + plan_.options.read_timeout_ms;
    wait_again = true;
    return Ended::refused;
  }
  return next_or(Failure::timeout, 504, "gateway_timeout", "upstream timed out while reading response header");
}

// An interim answer goes on to a client that knows of them (RFC 9110 §15.2). Not 100: that wish was ours to answer.
net::Task<bool> Forward::pass_interim() {
  const http::ResponseHead& head = parser_.head();
  if (head.status == 100 || x_.head().version_minor == 0 || x_.method_is_get || x_.subrequest()) co_return true;
  std::string out;
  write_interim_head(head, plan_, out);
  iovec whole{out.data(), out.size()};
  const auto sent = co_await net::write_all(x_.client(), &whole, 1, x_.location().send_timeout_ms);
  co_return sent.has_value();
}

// More room for a head that does not fit.
bool Forward::grow_buffer() {
  if (filled_ < buffer_.capacity()) return true;
  if (filled_ >= plan_.options.head_bytes_max) return false;
  pipeline::Buffer larger = x_.worker().buffers.take(plan_.options.head_bytes_max);
  std::memcpy(larger.data(), buffer_.data(), filled_);
  buffer_ = std::move(larger);
  return true;
}

net::Task<Forward::Ended> Forward::read_response_head() {
  if (!buffer_) buffer_ = x_.worker().buffers.take(pipeline::BufferPool::body_bytes);
  deadline_ms_ = x_.now().monotonic_ms + plan_.options.read_timeout_ms;
  unsigned informational = 0;
  while (true) {
    const net::IoResult got = link_.stream.read(buffer_.data() + filled_, buffer_.capacity() - filled_);
    if (got.status == net::Io::want_read || got.status == net::Io::want_write) {
      if (pump_ && pump_->cut_off_ms()) {
        deadline_ms_ = std::min(deadline_ms_, *pump_->cut_off_ms() + net::half_closed_grace_ms);
      }
      net::Stream* watched = watches_client() ? &x_.client() : nullptr;
      const net::Wake wake = co_await link_.stream.wait_for(got.status, deadline_ms_, watched);
      if (wake == net::Wake::ready) continue;
      bool wait_again = false;
      const Ended ended = on_wake(wake, wait_again);
      if (wait_again) continue;
      co_return ended;
    }
    if (got.status != net::Io::ok) co_return link_broke("upstream closed the connection before an answer");
    filled_ += got.bytes;
    x_.upstream.bytes_received += got.bytes;
    http::ParseStatus status = parser_.parse({buffer_.data(), filled_}, x_.head().method);
    while (status == http::ParseStatus::complete && parser_.head().status < 200 && parser_.head().status != 101) {
      if (++informational > informational_max) co_return refuse(502, "bad_gateway", "too many 1xx answers");
      const bool passed = co_await pass_interim();
      if (!passed) co_return Ended::client_gone;
      const std::size_t used = parser_.head_bytes();
      std::memmove(buffer_.data(), buffer_.data() + used, filled_ - used);
      filled_ -= used;
      parser_.reset();
      status = parser_.parse({buffer_.data(), filled_}, x_.head().method);
    }
    if (status == http::ParseStatus::complete) break;
    if (status == http::ParseStatus::refused) {
      co_return next_or(Failure::invalid_header, 502, "bad_gateway",
                        cat("upstream sent an invalid header: ", parser_.refusal().reason));
    }
    if (!grow_buffer()) {
      co_return next_or(Failure::invalid_header, 502, "bad_gateway", "upstream sent too big header");
    }
  }
  x_.upstream.header_ms = x_.now().monotonic_ms - sent_ms_;
  x_.upstream.status = parser_.head().status;
  if (pipeline::Subrequest* const own = x_.subrequest()) {
    x_.upstream.head = own->keep_upstream_head({buffer_.data(), parser_.head_bytes()});
  }
  co_return Ended::answered;
}

bool Forward::answer_is_intercepted() const {
  const std::uint16_t status = parser_.head().status;
  if (!plan_.options.intercept_errors || status < 300 || x_.in_error_page) return false;
  return std::ranges::any_of(x_.location().error_pages,
                             [&](const pipeline::ErrorPage& page) { return page.status == status; });
}

// How the server did, when its answer is the one that counts. A status that proxy_next_upstream lists is a failed
// attempt only where another server was asked after it, as in nginx.
void Forward::note_answer() {
  const std::int64_t now_ms = x_.now().monotonic_ms;
  if (parser_.head().status >= 500) return lease_.failed_status(now_ms);
  lease_.succeeded(now_ms);
}

// The answer's head is there: what becomes of it? Nothing said: it is passed on.
std::optional<Forward::Ended> Forward::judge_answer() {
  const std::uint16_t status = parser_.head().status;
  const Failure failure = failure_of_status(status);
  if (plan_.options.next_upstream.lists(failure) && has_other_server() && may_leave_server(failure)) {
    note_failure(failure, status, "upstream_error", cat("upstream answered ", status));
    return Ended::try_again;
  }
  note_answer();
  if (status == 101 || !answer_is_intercepted()) return std::nullopt;
  x_.keep_upstream_head(parser_.head());
  refuse(status, "upstream_error", "proxy_intercept_errors");
  if (status == 401) refusal_.challenge = challenge_of(parser_.head());
  return Ended::refused;
}

// True: the answer was all there and the client has it. False: relay_answer() does the rest.
bool Forward::relay_at_once() {
  x_.upstream.response_length = filled_ - parser_.head_bytes();
  relay_.emplace(x_, plan_, link_.stream, buffer_, parser_.head_bytes(), filled_, parser_.head());
  if (!relay_->begin() || pump_) return false;
  answer_is_over();
  finish_link();
  return true;
}

void Forward::answer_is_over() {
  if (x_.snapshot().logs_response_fields) x_.keep_upstream_head(parser_.head());
  // However it ended: it goes with parser_ and buffer_.
  x_.upstream.head = x_.subrequest() ? x_.subrequest()->upstream_head() : nullptr;
  x_.upstream.response_ms = x_.now().monotonic_ms - sent_ms_;
  reusable_ = relay_->upstream_reusable();
}

net::Task<Forward::Ended> Forward::relay_answer() {
  Relay::Ended ended = co_await relay_->pass_on();
  answer_is_over();
  if (pump_) co_await end_pump(!relay_->flushed());
  finish_link();
  if (ended == Relay::Ended::complete && !relay_->flushed()) ended = co_await relay_->flush();
  if (ended == Relay::Ended::cut && !x_.reset_connection && !relay_->flushed()) co_await relay_->flush();
  if (!relay_->flushed()) co_await relay_->stop();
  co_return ended == Relay::Ended::complete ? Ended::answered
  : ended == Relay::Ended::client_gone      ? Ended::client_gone
                                            : Ended::refused;
}

net::Task<Forward::Ended> Forward::open_tunnel() {
  const std::string_view fault = fault_of_upgrade(x_.head(), upgrade_, parser_.head());
  if (!fault.empty()) {
    link_.stream.close();
    co_return refuse(502, "bad_gateway", fault);
  }
  std::string head;
  write_switching_head(x_, parser_.head(), plan_, upgrade_, head);
  x_.keep_sent_head(head);
  if (x_.snapshot().logs_response_fields) x_.keep_upstream_head(parser_.head());
  x_.response_started = true;
  x_.keep_alive = false;
  x_.head_bytes_sent = x_.bytes_sent = head.size();
  iovec whole{head.data(), head.size()};
  const auto sent = co_await net::write_all(x_.client(), &whole, 1, x_.location().send_timeout_ms);
  if (sent) {
    const std::size_t used = parser_.head_bytes();
    pipeline::Connection& c = x_.connection();
    Tunnel tunnel(x_, link_.stream, {plan_.options.read_timeout_ms, plan_.options.send_timeout_ms});
    co_await tunnel.run({buffer_.data() + used, filled_ - used}, c.received());
    c.in_begin = c.in_end;
  }
  x_.upstream.response_ms = x_.now().monotonic_ms - sent_ms_;
  x_.aborted = true;  // Both ends are over: nothing is left to say or to wait for.
  link_.stream.close();
  co_return Ended::answered;
}

void Forward::finish_link() {
  const bool is_shared = plan_.options.proxy_header == ProxyHeaderVersion::off;  // Else it is for one client.
  const bool body_sent = !with_body_ || x_.stored_body || x_.body.finished();
  if (is_shared && reusable_ && !sent_close_ && body_sent && !link_.stream.hung_up()) {
    pool_->give_back(std::move(link_), lease_.seat());
  } else {
    link_.stream.close();
  }
  lease_.end();  // What the client has still to take is not the server's burden.
}

}  // namespace keepgate::proxy

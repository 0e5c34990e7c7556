#include "proxy/relay.h"

#include <algorithm>

#include "base/bytes.h"
#include "pipeline/respond.h"
#include "pipeline/worker.h"
#include "proxy/pieces.h"

namespace keepgate::proxy {

namespace {

// The upstream may say how its answer is passed on, unless proxy_ignore_headers tells not to listen.
std::string_view accel(const http::ResponseHead& response, const Plan& plan, std::string_view name) {
  if (!response.find(http::Field::x_accel) || plan.ignores(name)) return {};
  const http::HeaderLine* line = response.find(name);
  return line ? line->value : std::string_view();
}

// "100k": bytes per second or bytes, as limit_rate takes them; 0 for what is no such size.
std::uint64_t size_of(std::string_view text) {
  std::uint64_t unit = 1;
  if (!text.empty() && to_lower(text.back()) == 'k') unit = 1024;
  if (!text.empty() && to_lower(text.back()) == 'm') unit = 1024 * 1024;
  if (unit != 1) text.remove_suffix(1);
  return parse_unsigned<std::uint32_t>(text).value_or(0) * unit;
}

ClientOutOptions out_options(pipeline::Exchange& x, const Plan& plan, const http::ResponseHead& response) {
  ClientOutOptions out{.folder = plan.options.temp_path};
  out.buffering = plan.options.buffering;
  const std::string_view wish = accel(response, plan, "X-Accel-Buffering");
  if (equals_ignoring_case(wish, "no")) out.buffering = false;
  if (equals_ignoring_case(wish, "yes")) out.buffering = true;
  out.memory_bytes_max = plan.options.buffers_bytes;
  out.file_bytes_max = plan.options.temp_file_bytes_max;
  const pipeline::LocationConfig& location = x.location();
  if (!location.limit_rate.empty()) out.rate = size_of(x.evaluate(location.limit_rate));
  if (!location.limit_rate_after.empty()) out.rate_after = size_of(x.evaluate(location.limit_rate_after));
  const std::string_view rate = accel(response, plan, "X-Accel-Limit-Rate");
  if (const auto value = parse_unsigned<std::uint32_t>(rate)) out.rate = *value;
  if (x.subrequest()) out.rate = 0;
  return out;
}

}  // namespace

Relay::Relay(pipeline::Exchange& exchange, const Plan& plan, net::Stream& upstream, const pipeline::Buffer& buffer,
             std::size_t begin, std::size_t filled, const http::ResponseHead& response)
    : x_(exchange),
      plan_(plan),
      upstream_(upstream),
      buffer_(buffer),
      begin_(begin),
      filled_(filled),
      response_(response),
      framing_(client_framing(exchange, response)),
      body_left_(response.content_length),
      body_done_(response.framing == http::BodyFraming::content_length && body_left_ == 0),
      reusable_(response.keep_alive),
      began_ms_(exchange.now().monotonic_ms),
      out_(exchange, out_options(exchange, plan, response), plan.options.ignore_client_abort ? nullptr : &upstream) {
  if (plan.options.pass_trailers && framing_ == ClientFraming::chunked) chunks_.keep_trailers(trailers_);
}

// Decodes buffer_[begin_, filled_) into `piece`; false when the bytes break the framing.
bool Relay::next_piece(std::string_view& piece) {
  char* const bytes = buffer_.data() + begin_;
  const std::size_t size = filled_ - begin_;
  switch (response_.framing) {
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

// RFC 9110 §6.5.1: only what may stand in a trailer section, and nothing that the head would not show either.
std::string Relay::last_chunk_with_trailers() const {
  std::string out = "0\r\n";
  append_passed_trailers(plan_, trailers_, out);
  return out += "\r\n";
}

// One piece, framed; the head goes out with the first.
ClientOut::Sent Relay::send(std::string_view piece) {
  if (framing_ == ClientFraming::none) piece = {};
  char size_line[20];
  std::string_view lead, tail;
  std::string ending;
  if (framing_ == ClientFraming::chunked) {
    if (!piece.empty()) lead = {size_line, http::write_chunk_head(size_line, piece.size())};
    tail = piece.empty() ? std::string_view() : std::string_view("\r\n");
    if (body_done_ && trailers_.empty()) {
      tail = piece.empty() ? http::last_chunk : std::string_view("\r\n0\r\n\r\n");
    } else if (body_done_) {
      ending = cat(tail, last_chunk_with_trailers());
      tail = ending;
    }
  }
  if (head_pending_) {
    std::string& head = x_.worker().scratch;
    write_response_head(x_, response_, plan_, framing_, head);
    x_.response_started = true;
    head_pending_ = false;
    x_.head_bytes_sent = head.size();
    x_.keep_sent_head(head);
    head.append(lead);
    if (piece.size() <= coalesced_bytes_max) {
      head.append(piece).append(tail);
      piece = tail = {};
    }
    lead = head;
  }
  return out_.send(lead, piece, tail);
}

// proxy_limit_rate: how fast the upstream is read.
net::Task<void> Relay::keep_pace() {
  const std::uint64_t rate = plan_.options.limit_rate;
  const auto elapsed_ms = static_cast<std::uint64_t>(x_.now().monotonic_ms - began_ms_ + 1000);
  const std::uint64_t due_ms = received_ * 1000 / rate;
  if (due_ms <= elapsed_ms) co_return;
  co_await net::SleepUntil(upstream_.loop(), x_.now().monotonic_ms + static_cast<std::int64_t>(due_ms - elapsed_ms));
}

// The next bytes of the body, into the whole buffer.
net::Task<Relay::More> Relay::read_more() {
  while (true) {
    const net::IoResult got = upstream_.read(buffer_.data(), buffer_.capacity());
    begin_ = 0;
    filled_ = got.bytes;
    received_ += got.bytes;
    x_.upstream.bytes_received += got.bytes;
    x_.upstream.response_length += got.bytes;
    if (got.status == net::Io::ok) co_return More::data;
    const bool ends_with_connection = response_.framing == http::BodyFraming::until_close;
    if (got.status == net::Io::closed && ends_with_connection) co_return More::end;
    if (got.status != net::Io::want_read && got.status != net::Io::want_write) {
      cut_off("the upstream closed before its answer was complete");
      co_return More::cut;
    }
    net::Stream* watched = x_.client().hung_up() || plan_.options.ignore_client_abort ? nullptr : &x_.client();
    const std::int64_t deadline = x_.now().monotonic_ms + plan_.options.read_timeout_ms;
    const net::Wake wake = co_await upstream_.wait_for(got.status, deadline, watched);
    if (wake == net::Wake::ready || (wake == net::Wake::hangup && !x_.client().broken())) continue;
    if (out_.failed() || wake == net::Wake::hangup) co_return More::client_gone;
    cut_off(wake == net::Wake::timeout ? "upstream timed out while sending its answer" : "the exchange was cancelled");
    co_return More::cut;
  }
}

// A client that is gone needs no bytes; the upstream may still be read to its end.
void Relay::pass_piece() {
  std::string_view piece;
  sound_ = next_piece(piece);
  sent_ = discarding_ ? ClientOut::Sent::done : send(piece);
}

bool Relay::begin() {
  x_.upstream.head = &response_;
  x_.keep_alive = x_.keep_alive && pipeline::may_keep_alive(x_);
  if (framing_ == ClientFraming::until_close) x_.keep_alive = false;
  pass_piece();
  return sound_ && body_done_ && sent_ == ClientOut::Sent::done;
}

net::Task<Relay::Ended> Relay::pass_on() {
  unsigned pieces = 0;
  while (true) {
    if (!discarding_) {
      bool taken = sent_ != ClientOut::Sent::gone;
      if (sent_ == ClientOut::Sent::waits) taken = co_await out_.wait_for_room();
      discarding_ = !taken;
      if (discarding_ && !plan_.options.ignore_client_abort) co_return lost_client();
    }
    if (!sound_) co_return cut_off("the upstream's answer is malformed");
    if (body_done_) co_return discarding_ ? lost_client() : Ended::complete;
    if (++pieces % pieces_per_turn == 0) co_await net::Yield(x_.client().loop());
    if (plan_.options.limit_rate != 0) co_await keep_pace();
    const More more = co_await read_more();
    if (more == More::data) {
      pass_piece();
      continue;
    }
    if (more == More::cut) co_return Ended::cut;
    if (more == More::client_gone) co_return lost_client();
    body_done_ = true;  // RFC 9112 §6.3: the upstream's orderly end is the end of the body.
    if (!discarding_ && framing_ == ClientFraming::chunked) out_.send({}, {}, http::last_chunk);
    co_return discarding_ ? lost_client() : Ended::complete;
  }
}

net::Task<Relay::Ended> Relay::flush() {
  out_.upstream_is_over();
  const bool flushed = co_await out_.flush();
  co_return flushed ? Ended::complete : lost_client();
}

Relay::Ended Relay::lost_client() {
  x_.aborted = true;
  x_.keep_alive = false;
  return Ended::client_gone;
}

// The client got a part: it must not look like a whole. A length or chunks say so themselves (RFC 9112 §8), and what
// came before stays the client's; where the end of the connection would be the end of the answer it is reset.
Relay::Ended Relay::cut_off(std::string_view why) {
  log(LogLevel::error, why, ", upstream: ", x_.upstream.address, ", client: ", x_.connection().peer_ip());
  x_.aborted = true;
  x_.keep_alive = false;
  x_.reset_connection = framing_ == ClientFraming::until_close;
  return Ended::cut;
}

}  // namespace keepgate::proxy

#include "proxy/body_pump.h"

#include "http/chunked.h"
#include "proxy/pieces.h"

namespace keepgate::proxy {

namespace {
constexpr std::string_view crlf = "\r\n";
constexpr std::string_view end_after_data = "\r\n0\r\n\r\n";
}  // namespace

void BodyPump::give_up(Error error) {
  source_error_ = std::move(error);
  upstream_.cancel();  // Wakes the reader of the answer; this upstream connection is over.
}

// An upstream that takes no more may still answer, or its answer is on the way: that is the reader's business.
net::Task<bool> BodyPump::write(iovec* pieces, int count) {
  std::size_t bytes = 0;  // Now: write_all() changes the pieces.
  for (int i = 0; i < count; ++i) bytes += pieces[i].iov_len;
  const auto sent = co_await net::write_all(upstream_, pieces, count, send_timeout_ms_);
  if (!sent) {
    if (sent.error().kind == ErrorKind::timeout) {
      stalled_ = true;
    } else {
      cut_off_ms_ = x_.now().monotonic_ms;
    }
    upstream_.cancel_reader();
  }
  if (sent) x_.upstream.bytes_sent += bytes;
  if (!sent || stopping_) co_return false;
  last_progress_ms_ = x_.now().monotonic_ms;
  co_return true;
}

net::Task<bool> BodyPump::pump_unsent() {
  if (unsent_.head.empty() && unsent_.body.empty()) co_return true;
  const std::string head = std::exchange(unsent_.head, {});
  iovec pieces[2] = {{const_cast<char*>(head.data()), head.size()},
                     {const_cast<char*>(unsent_.body.data()), unsent_.body.size()}};
  co_return co_await write(pieces, 2);
}

net::Task<void> BodyPump::pump_from_client() {
  const bool chunked = x_.body.framing() == http::BodyFraming::chunked;
  while (!x_.body.finished()) {
    auto piece = co_await x_.body.next(x_.location().client_body_timeout_ms);
    if (stopping_) co_return;
    if (!piece) co_return give_up(std::move(piece.error()));
    last_progress_ms_ = x_.now().monotonic_ms;
    char size_line[20];
    iovec pieces[3];
    int count = 0;
    if (chunked && !piece->empty()) pieces[count++] = {size_line, http::write_chunk_head(size_line, piece->size())};
    if (!piece->empty()) pieces[count++] = {const_cast<char*>(piece->data()), piece->size()};
    if (chunked) {
      const std::string_view end = x_.body.finished() ? (piece->empty() ? http::last_chunk : end_after_data) : crlf;
      pieces[count++] = {const_cast<char*>(end.data()), end.size()};
    }
    const bool sent = co_await write(pieces, count);
    if (!sent) co_return;
  }
  complete_ = true;
}

net::Task<void> BodyPump::pump_from_store() {
  pipeline::StoredBody& body = *x_.stored_body;
  unsigned pieces = 0;
  while (offset_ < body.size()) {
    const auto piece = body.piece(offset_);
    if (!piece) co_return give_up(piece.error());
    offset_ += piece->size();
    iovec whole{const_cast<char*>(piece->data()), piece->size()};
    const bool sent = co_await write(&whole, 1);
    if (!sent) co_return;
    if (++pieces % pieces_per_turn == 0) co_await net::Yield(upstream_.loop());
    if (stopping_) co_return;
  }
  complete_ = true;
}

net::Detached BodyPump::run(BodyPump& pump) {
  const bool begun = co_await pump.pump_unsent();
  if (begun && pump.x_.stored_body) {
    co_await pump.pump_from_store();
  } else if (begun) {
    co_await pump.pump_from_client();
  }
  pump.running_ = false;
  if (pump.joiner_) net::Loop::current().defer(pump.joiner_);
}

net::Task<void> BodyPump::stop(bool answering) {
  if (!running_) co_return;
  stopping_ = true;
  upstream_.cancel();
  if (!x_.stored_body) {
    x_.client().cancel_reader();
    if (!answering) x_.client().cancel_writer();
  }
  struct Join {
    BodyPump& pump;
    bool await_ready() const { return !pump.running_; }
    void await_suspend(std::coroutine_handle<> handle) { pump.joiner_ = handle; }
    void await_resume() const {}
  };
  co_await Join{*this};
}

}  // namespace keepgate::proxy

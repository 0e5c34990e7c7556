#include "proxy/body_pump.h"

#include "http/chunked.h"

namespace keepgate::proxy {

namespace {
constexpr std::string_view crlf = "\r\n";
constexpr std::string_view end_after_data = "\r\n0\r\n\r\n";
}  // namespace

net::Task<void> BodyPump::pump_all() {
  const bool chunked = x_.body.framing() == http::BodyFraming::chunked;
  while (!x_.body.finished()) {
    auto piece = co_await x_.body.next(x_.location().client_body_timeout_ms);
    if (stopping_) co_return;
    if (!piece) {
      client_error_ = std::move(piece.error());
      upstream_.cancel();  // Wakes the reader of the answer; this upstream connection is over.
      co_return;
    }
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
    const auto sent = co_await net::write_all(upstream_, pieces, count, send_timeout_ms_);
    // An upstream that takes no more may still answer, or its answer is on the way: that is the reader's business.
    if (!sent || stopping_) co_return;
    last_progress_ms_ = x_.now().monotonic_ms;
  }
  complete_ = true;
}

net::Detached BodyPump::run(BodyPump& pump) {
  co_await pump.pump_all();
  pump.running_ = false;
  if (pump.joiner_) net::Loop::current().defer(pump.joiner_);
}

net::Task<void> BodyPump::stop() {
  if (!running_) co_return;
  stopping_ = true;
  upstream_.cancel();
  x_.client().cancel_reader();
  x_.client().cancel_writer();
  struct Join {
    BodyPump& pump;
    bool await_ready() const { return !pump.running_; }
    void await_suspend(std::coroutine_handle<> handle) { pump.joiner_ = handle; }
    void await_resume() const {}
  };
  co_await Join{*this};
}

}  // namespace keepgate::proxy

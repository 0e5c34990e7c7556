#include "proxy/client_out.h"

#include <algorithm>

#include "pipeline/subrequest.h"

namespace keepgate::proxy {

namespace {
constexpr unsigned writes_per_turn = 32;
constexpr std::int64_t paces_per_second = 8;  // A paced answer goes out in steps of that part of a second.
}  // namespace

ClientOut::ClientOut(pipeline::Exchange& exchange, const ClientOutOptions& options, net::Stream* upstream)
    : x_(exchange),
      options_(options),
      upstream_(upstream),
      backlog_(exchange.worker().buffers, options.memory_bytes_max, options.buffering ? options.file_bytes_max : 0,
               options.folder),
      started_ms_(exchange.now().monotonic_ms) {}

void ClientOut::fail() {
  failed_ = true;
  if (upstream_) upstream_->cancel_reader();
}

void ClientOut::wake() {
  if (!waiting_) return;
  net::Loop::current().defer(std::exchange(waiting_, nullptr));
}

ClientOut::Sent ClientOut::send(std::string_view lead, std::string_view body, std::string_view tail) {
  if (failed_) return Sent::gone;
  iovec pieces[3];
  int count = 0;
  for (const std::string_view one : {lead, body, tail}) {
    if (!one.empty()) pieces[count++] = {const_cast<char*>(one.data()), one.size()};
  }
  if (count == 0) return Sent::done;
  std::size_t written = 0;
  if (!running_ && options_.rate == 0) {
    pipeline::Subrequest* const own = x_.subrequest();
    const net::IoResult sent = own ? own->take(pieces, count) : x_.client().write(pieces, count);
    if (sent.status == net::Io::failed || sent.status == net::Io::closed) {
      failed_ = true;
      return Sent::gone;
    }
    written = sent.bytes;
    x_.bytes_sent += written;
    if (written == lead.size() + body.size() + tail.size()) return Sent::done;
  }
  for (const std::string_view one : {lead, body, tail}) {
    const std::size_t done = std::min(written, one.size());
    written -= done;
    if (done < one.size()) backlog_.push(one.substr(done));
  }
  if (!running_) {
    running_ = true;
    run(*this);
  }
  return failed_ ? Sent::gone : Sent::waits;
}

// Waits until the backlog is empty, or no longer full.
net::Task<bool> ClientOut::wait_until_below(bool empty) {
  struct Room {
    ClientOut& out;
    bool await_ready() const { return !out.running_ || (!out.wants_empty_ && !out.backlog_.full()); }
    void await_suspend(std::coroutine_handle<> handle) { out.waiting_ = handle; }
    void await_resume() const {}
  };
  wants_empty_ = empty;
  co_await Room{*this};
  co_return !failed_;
}

net::Task<void> ClientOut::stop() {
  if (!running_) co_return;
  stopping_ = true;
  if (pause_ && pause_->armed()) net::Loop::current().cancel_waiter(pause_);
  x_.client().cancel_writer();
  co_await wait_until_below(true);
}

// limit_rate as nginx counts: a second's worth at once, then evenly.
bool ClientOut::pause_needed(std::uint64_t& allowed, std::int64_t& until_ms) const {
  if (options_.rate == 0) return false;
  const std::int64_t now_ms = x_.now().monotonic_ms;
  const auto elapsed_ms = static_cast<std::uint64_t>(now_ms - started_ms_ + 1000);
  const std::uint64_t budget =
      options_.rate_after + options_.rate * (elapsed_ms / 1000) + options_.rate * (elapsed_ms % 1000) / 1000;
  allowed = budget > x_.bytes_sent ? budget - x_.bytes_sent : 0;
  const std::uint64_t step = std::max<std::uint64_t>(options_.rate / paces_per_second, 1);
  if (allowed >= std::min(step, backlog_.bytes())) return false;
  until_ms = now_ms + std::max<std::int64_t>(1000 / paces_per_second, 1000 / static_cast<std::int64_t>(options_.rate));
  return true;
}

net::Task<void> ClientOut::drain() {
  unsigned writes = 0;
  while (!backlog_.empty() && !stopping_) {
    std::uint64_t allowed = UINT64_MAX;
    std::int64_t until_ms = 0;
    if (pause_needed(allowed, until_ms)) {
      net::SleepUntil pause(x_.client().loop(), until_ms);
      pause_ = &pause;
      co_await pause;
      pause_ = nullptr;
      if (x_.client().cancelled()) co_return fail();
      continue;
    }
    std::string_view piece = backlog_.front();
    if (piece.empty()) co_return fail();  // The temporary file cannot be read.
    piece = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), allowed)));
    const net::IoResult sent = x_.client().write(piece);
    if (sent.status == net::Io::ok) {
      backlog_.pop(sent.bytes);
      x_.bytes_sent += sent.bytes;
      if (!wants_empty_ && !backlog_.full()) wake();
      if (++writes % writes_per_turn == 0) co_await net::Yield(x_.client().loop());
      continue;
    }
    if (sent.status != net::Io::want_read && sent.status != net::Io::want_write) co_return fail();
    const std::int64_t deadline_ms = x_.now().monotonic_ms + x_.location().send_timeout_ms;
    const net::Wake wake = co_await net::wait_for(x_.client(), sent.status, deadline_ms);
    if (wake == net::Wake::ready) continue;
    if (wake == net::Wake::timeout) {
      x_.client().note_timeout();
      log(LogLevel::info,
          "the client took no more of its answer in time (send_timeout), client: ", x_.connection().peer_ip());
    }
    co_return fail();
  }
}

net::Detached ClientOut::run(ClientOut& out) {
  co_await out.drain();
  if (out.failed_ || out.stopping_) out.backlog_.clear();
  out.running_ = false;
  out.wake();
}

}  // namespace keepgate::proxy

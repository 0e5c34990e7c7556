#include "pipeline/serve.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "pipeline/content.h"
#include "pipeline/exchange.h"
#include "pipeline/mirror.h"
#include "pipeline/needs.h"
#include "pipeline/opening.h"
#include "pipeline/phases.h"
#include "pipeline/record.h"
#include "pipeline/respond.h"

namespace keepgate::pipeline {

namespace {

constexpr std::uint64_t linger_bytes_max = 2 << 20;
constexpr std::uint64_t drain_bytes_max = 64 * 1024;
constexpr unsigned redirects_max = 10;
constexpr std::uint16_t header_too_large = 494;     // nginx's own, for error_page and logs; 431 on the wire.
constexpr std::size_t shown_line_bytes_max = 1024;  // Of a request line that was refused, in logs.
constexpr unsigned requests_per_turn = 32;

enum class HeadRead : std::uint8_t { failed = 0, end, waits, complete, refused };

// Room for more of the head: the buffer grows once, to the largest head there may be.
void make_room(Connection& c, std::uint32_t head_bytes_max) {
  if (!c.in) c.in = c.worker.buffers.take(BufferPool::head_bytes);
  if (c.in_end < c.in.capacity()) return;
  if (c.in_begin > 0) {
    std::memmove(c.in.data(), c.in.data() + c.in_begin, c.in_end - c.in_begin);
    c.in_end -= c.in_begin;
    c.in_begin = 0;
    return;
  }
  Buffer larger = c.worker.buffers.take(head_bytes_max + BufferPool::head_bytes);
  std::memcpy(larger.data(), c.in.data(), c.in_end);
  c.in = std::move(larger);
}

Refusal refusal_of(const http::HeadRefusal& head) {
  Refusal out;
  out.status = head.status == 431 ? header_too_large : head.status;
  out.code = "malformed_request";
  out.reason = std::string(head.reason);
  out.close = true;
  return out;
}

// Parses what is there and reads more while that needs no waiting; `want`: what to wait for then.
HeadRead advance_head(Exchange& x, const ServerConfig& server, net::Io& want) {
  Connection& c = x.connection();
  while (true) {
    if (c.in_end > c.in_begin) {
      switch (x.parser.parse(c.received())) {
        case http::ParseStatus::complete:
          return HeadRead::complete;
        case http::ParseStatus::refused:
          x.refusal = refusal_of(x.parser.refusal());
          return HeadRead::refused;
        case http::ParseStatus::need_more:
          break;
      }
    }
    make_room(c, server.head_limits.head_bytes_max);
    const net::IoResult got = c.stream.read(c.in.data() + c.in_end, c.in.capacity() - c.in_end);
    want = got.status;
    if (got.status == net::Io::want_read || got.status == net::Io::want_write) return HeadRead::waits;
    if (got.status == net::Io::closed) return c.in_end == c.in_begin ? HeadRead::end : HeadRead::failed;
    if (got.status != net::Io::ok) return HeadRead::failed;
    c.in_end += got.bytes;
  }
}

// The head is no request. Its refusal may have an error_page, which is asked with nothing that the client said.
void begin_refused(Exchange& x) {
  const std::string_view received = x.connection().received();
  x.request_bytes = received.size();
  const std::string_view line = received.substr(0, std::min(received.find_first_of("\r\n"), shown_line_bytes_max));
  if (x.head().method_text.empty()) x.refused_line = x.arena.copy(line);
  x.parser.stand_in_for_refused();
  x.body.begin(x.connection(), x.head());
  x.body_given_up = true;
  x.path = http::canonicalize({x.head().raw_path}, true, x.arena).path;
}

HeadRead head_came_too_late(Exchange& x) {
  x.client().note_timeout();
  x.refusal = {};
  x.refusal.status = 408;
  x.refusal.code = "request_timeout";
  x.refusal.reason = "the client sent no complete head in time";
  x.refusal.close = true;
  return HeadRead::refused;
}

// Waits for the rest of a head. The whole of it has one deadline, however its bytes come: client_header_timeout, for
// the first one counted from the beginning of the connection.
net::Task<HeadRead> wait_for_head(Exchange& x, const ServerConfig& server, net::Io want) {
  Connection& c = x.connection();
  const std::int64_t deadline =
      c.request_count == 0 ? first_head_deadline_ms(c) : x.now().monotonic_ms + server.client_header_timeout_ms;
  while (true) {
    const net::Wake wake = co_await c.stream.wait_for(want, deadline);
    if (wake == net::Wake::timeout && c.in_end > c.in_begin) co_return head_came_too_late(x);
    if (wake != net::Wake::ready) co_return HeadRead::failed;
    const HeadRead head = advance_head(x, server, want);
    if (head != HeadRead::waits) co_return head;
  }
}

// A refusal: through error_page if there is one for its status. Tells the phase to go on from, or nothing when done.
net::Task<std::optional<std::size_t>> answer_refusal(Exchange& x) {
  if (x.response_started) co_return std::nullopt;
  // We stop while the client still sends: nothing is wrong with its request. Closed, it may ask the next process.
  if (x.body.broken() && x.client().cancelled()) {
    x.aborted = true;
    x.status = 499;
    co_return std::nullopt;
  }
  const ErrorPageResult page = apply_error_page(x, x.refusal.status);
  if (page.redirected && page.location.empty() && ++x.redirect_count <= redirects_max) co_return page.phase;
  if (!page.location.empty()) {
    LocalAnswer answer;
    answer.status = page.status;
    answer.location = page.location;
    co_await respond(x, answer);
    co_return std::nullopt;
  }
  co_await respond_refusal(x, x.refusal);
  co_return std::nullopt;
}

bool is_plain_error(const ReturnAction& action) {
  return action.status >= 400 && action.status != 444 && !action.has_text;
}

// False: the client went away meanwhile.
net::Task<bool> wait_for(Exchange& x, std::uint64_t delay_ms) {
  const auto until = x.now().monotonic_ms + static_cast<std::int64_t>(delay_ms);
  const net::Wake wake = co_await x.client().wait_hangup(until);
  if (wake == net::Wake::timeout) co_return true;
  x.aborted = true;
  x.status = 499;
  co_return false;
}

// Runs phases from `index` on, to the first that wishes something; `index` is that one's.
PhaseResult run_to_wish(Exchange& x, std::size_t& index) {
  const std::span<const Phase> all = phases();
  while (true) {
    const PhaseResult result = all[index].run(x);
    if (result.next != Next::phase) return result;
    ++index;
  }
}

// Drives the phases. Every way out has answered, or noted that the client is gone. Not `prepared`: there is a refusal
// already, which is answered like any other.
net::Task<void> run_phases(Exchange& x, bool prepared) {
  std::size_t index = x.subrequest() ? find_location_phase : 0;
  while (true) {
    const PhaseResult result = prepared ? run_to_wish(x, index) : PhaseResult{};
    prepared = true;
    switch (result.next) {
      case Next::phase:
        break;  // Not a wish.
      case Next::delay: {
        const bool goes_on = co_await wait_for(x, result.delay_ms);
        if (!goes_on) co_return;
        ++index;
        continue;
      }
      case Next::need: {
        const bool was_met = co_await meet_need(x);
        if (was_met) continue;
        if (x.aborted) co_return;
        break;
      }
      case Next::find_location:
        index = find_location_phase;
        if (++x.redirect_count <= redirects_max) continue;
        x.refusal = {};
        x.refusal.reason = "rewrite or internal redirection cycle";
        break;
      case Next::answer_return:
        if (is_plain_error(*result.return_action)) {  // `return 404;`: error_page applies, as to any refusal.
          x.refusal = {};
          x.refusal.status = result.return_action->status;
          x.refusal.code = "returned";
          break;
        }
        co_await respond_return(x, *result.return_action);
        co_return;
      case Next::content: {
        Permit permit = std::move(*x.permit);
        x.permit.reset();
        auto refusal = co_await x.location().content->serve(x, std::move(permit));
        if (!refusal) co_return;
        x.refusal = std::move(*refusal);
        break;
      }
      case Next::refuse:
        if (result.delay_ms > 0) {
          const bool goes_on = co_await wait_for(x, result.delay_ms);
          if (!goes_on) co_return;
        }
        break;
    }
    const std::optional<std::size_t> again = co_await answer_refusal(x);
    if (!again) co_return;
    index = *again;
  }
}

// What the client still sends of a body nobody read: a small rest is thrown away so that the connection can go on. Not
// longer than a connection that is closed would linger, as in nginx.
net::Task<bool> drain_body(Exchange& x) {
  std::uint64_t drained = 0;
  const std::int64_t end_ms = x.now().monotonic_ms + x.location().lingering_time_ms;
  x.body.set_bytes_max(0);
  while (!x.body.finished()) {
    const auto piece = co_await x.body.next(x.location().lingering_timeout_ms);
    if (!piece || x.now().monotonic_ms > end_ms) co_return false;
    drained += piece->size();
    if (drained > drain_bytes_max) co_return false;
  }
  co_return true;
}

// Closing with unread data makes the kernel send RST, which may destroy the answer on its way: say goodbye first, then
// read and forget for a while (nginx lingering_close).
net::Task<void> linger(Connection& c, const LocationConfig& location) {
  c.stream.shutdown_write();
  const std::int64_t end = c.worker.loop.now().monotonic_ms + location.lingering_time_ms;
  Buffer sink = c.worker.buffers.take(BufferPool::head_bytes);
  std::uint64_t thrown_away = 0;
  while (c.worker.loop.now().monotonic_ms < end && thrown_away < linger_bytes_max) {
    const net::IoResult got = c.stream.read(sink.data(), sink.capacity());
    if (got.status == net::Io::ok) {
      thrown_away += got.bytes;
      continue;
    }
    if (got.status != net::Io::want_read) co_return;
    const std::int64_t now_ms = c.worker.loop.now().monotonic_ms;
    c.worker.begin_reusable(c);
    const net::Wake wake = co_await c.stream.wait_readable(std::min(now_ms + location.lingering_timeout_ms, end));
    c.worker.end_reusable(c);
    if (wake != net::Wake::ready) co_return;
  }
}

// The bytes of the next request, if they came already, move to the front; an idle connection keeps no buffer.
void shift_input(Connection& c) {
  if (c.in_begin == c.in_end) {
    c.in_begin = c.in_end = 0;
    if (!c.pipelined) {
      c.in.release();
      return;
    }
    const std::unique_ptr<const std::string> kept = std::move(c.pipelined);
    if (c.in.capacity() < kept->size()) c.in = c.worker.buffers.take(kept->size() + BufferPool::head_bytes);
    std::memcpy(c.in.data(), kept->data(), kept->size());
    c.in_end = kept->size();
  }
}

// Does it look as if the client were still sending? Then a close with its bytes unread would become a reset.
bool should_linger(const Exchange& x, bool head_is_complete) {
  const Connection& c = x.connection();
  const Lingering lingering = x.location().lingering;
  if (lingering == Lingering::off || x.reset_connection) return false;
  if (x.aborted && (c.stream.hung_up() || c.stream.timed_out())) return false;
  return lingering == Lingering::always || !head_is_complete || !x.body.finished() || c.in_begin < c.in_end ||
         c.stream.maybe_readable();
}

// What is to be noted of a request that was answered. Tells whether the connection can take another.
bool end_request(Exchange& x, bool go_on) {
  Connection& c = x.connection();
  record(x);
  if (x.mirrored_by && c.worker.mirrors) c.worker.mirrors->send(x);
  // nginx: a client that was too slow, and one that gets no answer (444), are cut off at once if that is asked for.
  if (x.location().reset_timedout && (c.stream.timed_out() || x.status == 444)) x.reset_connection = true;
  c.idle_timeout_ms = x.location().keepalive_timeout_ms;
  c.idle_protected_ms = x.location().keepalive_min_timeout_ms;
  if (!x.reset_connection) return go_on;
  c.stream.set_layer(nullptr);  // No close_notify: the cut must not look like an end.
  c.stream.reset_on_close();
  return false;
}

// Between requests a connection moves on to the newest configuration, if that still listens where the client came in.
// Else it serves the request that is there with the old one, and says goodbye.
void adopt_snapshot(Connection& c) {
  const auto& newest = c.worker.snapshot.get();
  if (newest == c.snapshot || c.leaving) return;
  const net::Address& address = c.listener->address.is_wildcard() ? c.local() : c.listener->address;
  const ListenerConfig* listener = newest->find_listener(address);
  // What a client proved to the old configuration it has to prove again to the new one, which may trust others.
  c.leaving = !listener || listener->tls != (c.tls || c.plain_on_tls) || c.tls_facts().client;
  if (c.leaving) return;
  c.listener = listener;
  c.snapshot = newest;
}

// Until when a connection that is idle since `since_ms` waits for its next request. One that should end gets a moment:
// a client that is just sending its next request shall find it open.
struct IdleTimes {
  std::int64_t end_ms = 0;
  std::int64_t protected_until_ms = 0;  // keepalive_min_timeout: nor is it closed to make room.
};

IdleTimes idle_times(const Connection& c, std::int64_t since_ms) {
  if (c.request_count == 0) return {first_byte_deadline_ms(c, since_ms), 0};
  const std::int64_t usual_ms = c.idle_timeout_ms;
  const std::int64_t protected_ms = std::min(c.idle_protected_ms, usual_ms);
  const std::int64_t ending_ms = std::max(std::min(usual_ms, Worker::farewell_ms), protected_ms);
  return {since_ms + (c.worker.draining || c.leaving ? ending_ms : usual_ms), since_ms + protected_ms};
}

// Until when to wait now.
std::int64_t begin_idle(Connection& c, std::int64_t since_ms) {
  adopt_snapshot(c);
  const IdleTimes times = idle_times(c, since_ms);
  if (c.worker.loop.now().monotonic_ms < times.protected_until_ms) return times.protected_until_ms;
  c.worker.begin_reusable(c);
  return times.end_ms;
}

// After a wait: begin_idle() again? A reload and the end of the worker wake an idle connection, to think again.
bool waits_on(Connection& c, net::Wake wake, std::int64_t since_ms) {
  c.worker.end_reusable(c);
  if (wake == net::Wake::cancelled) return !c.stream.cancelled();
  return wake == net::Wake::timeout && c.worker.loop.now().monotonic_ms < idle_times(c, since_ms).end_ms;
}

// One request, with an exchange of its own. Tells whether the connection can take another.
net::Task<bool> serve_request(Connection& c) {
  adopt_snapshot(c);
  const ServerConfig& server = first_server(c);
  std::unique_ptr<Exchange> exchange = c.worker.take_exchange();
  Exchange& x = *exchange;
  x.begin(c);
  x.set_server(server);
  x.parser.set_limits(server.head_limits);
  net::Io want = net::Io::failed;
  HeadRead head = advance_head(x, server, want);
  if (head == HeadRead::waits) head = co_await wait_for_head(x, server, want);
  bool go_on = false;
  if (head == HeadRead::complete || head == HeadRead::refused) {
    ++c.request_count;
    c.worker.counters.request_began();
    if (head == HeadRead::complete) {
      x.request_bytes = x.parser.head_bytes();
      c.in_begin += x.parser.head_bytes();
      x.body.begin(c, x.head());
      const bool prepared = prepare(x);
      co_await run_phases(x, prepared);
    } else {
      begin_refused(x);
      co_await run_phases(x, false);
    }
    go_on = x.keep_alive && !x.aborted && !x.body.broken();
    if (go_on && !x.body.finished()) go_on = co_await drain_body(x);
    go_on = end_request(x, go_on);
    c.worker.counters.request_ended();
    if (!go_on && should_linger(x, head == HeadRead::complete)) co_await linger(c, x.location());
  }
  exchange->end();
  c.worker.give_back(std::move(exchange));
  if (go_on) shift_input(c);
  // A client that pipelines without end shares the worker with everybody else.
  if (go_on && c.request_count % requests_per_turn == 0) co_await net::Yield(c.worker.loop);
  co_return go_on;
}

// What lives in this frame over the wait is what an idle connection costs, beside the Connection: everything else is in
// the tasks that it awaits.
net::Detached serve_plain(std::unique_ptr<Connection> connection) {
  bool go_on = true;
  while (go_on) {
    if (connection->in_begin == connection->in_end) {
      // Idle: no buffer, no exchange.
      const std::int64_t since_ms = connection->worker.loop.now().monotonic_ms;
      net::Wake wake = net::Wake::cancelled;
      connection->idle = true;
      // nginx: the first wait is reading.
      if (connection->request_count > 0) connection->worker.counters.wait_began();
      do {
        wake = co_await connection->stream.wait_readable(begin_idle(*connection, since_ms));
      } while (waits_on(*connection, wake, since_ms));
      connection->idle = false;
      if (connection->request_count > 0) connection->worker.counters.wait_ended();
      if (wake != net::Wake::ready) break;
    }
    go_on = co_await serve_request(*connection);
  }
  if (connection->stream.layer()) connection->stream.layer()->shutdown();
}

net::Detached open_and_serve(std::unique_ptr<Connection> connection) {
  const bool opened = co_await open_connection(*connection);
  if (opened) serve_plain(std::move(connection));
}

}  // namespace

net::Task<void> serve_subrequest(Exchange& x) { return run_phases(x, true); }

void serve_connection(std::unique_ptr<Connection> connection) {
  if (connection->tls || connection->listener->proxy_protocol) {
    open_and_serve(std::move(connection));
  } else {
    serve_plain(std::move(connection));
  }
}

}  // namespace keepgate::pipeline

#include "pipeline/opening.h"

#include <algorithm>

#include "net/proxy_protocol.h"

namespace keepgate::pipeline {

namespace {

static_assert(BufferPool::head_bytes >= net::proxy_header_bytes_max);

// Which certificate answers a server name: the one of the server that the listener's names lead to.
class CertificateByName final : public tls::ContextSource {
 public:
  explicit CertificateByName(const Connection& connection) : connection_(connection) {}
  std::shared_ptr<const tls::ServerContext> context_for(std::string_view server_name) const override {
    return connection_.snapshot->servers[connection_.listener->names.find(server_name)].tls;
  }

 private:
  const Connection& connection_;
};

bool broken_header(const Connection& c, std::string_view why) {
  log(LogLevel::error, "broken PROXY header: ", why, ", client: ", c.peer_ip(),
      ", server: ", c.listener->address.text());
  return false;
}

// Only looks until the header is whole, and takes no byte more than it: what follows may be TLS's.
net::Task<bool> read_proxy_header(Connection& c) {
  const std::int64_t deadline = first_head_deadline_ms(c);
  const Buffer buffer = c.worker.buffers.take(BufferPool::head_bytes);
  while (true) {
    const net::IoResult got = c.stream.peek(buffer.data(), buffer.capacity());
    if (got.status == net::Io::ok) {
      const net::ProxyParsed parsed = net::parse_proxy_header({buffer.data(), got.bytes});
      if (parsed.status == net::ProxyParse::malformed) co_return broken_header(c, parsed.reason);
      if (parsed.status == net::ProxyParse::complete) {
        if (parsed.has_addresses) c.proxied = std::make_unique<const net::ProxyHeader>(parsed.header);
        co_return c.stream.skip(parsed.bytes) || broken_header(c, "it is gone");
      }
      if (c.stream.hung_up()) co_return broken_header(c, "the peer closed inside of it");
    } else if (got.status != net::Io::want_read) {
      co_return false;
    }
    const net::Wake wake = co_await c.stream.wait_readable(deadline);
    if (wake == net::Wake::timeout) co_return broken_header(c, "it did not come in time");
    if (wake != net::Wake::ready) co_return false;
  }
}

// nginx: a client that speaks plain HTTP to a port of TLS is told so (497). No TLS record begins with a letter.
net::Task<bool> speaks_plain_http(Connection& c) {
  const std::int64_t deadline = first_head_deadline_ms(c);
  while (true) {
    char first = 0;
    const net::IoResult got = c.stream.peek(&first, 1);
    if (got.status == net::Io::ok) co_return got.bytes == 1 && first >= 'A' && first <= 'Z';
    if (got.status != net::Io::want_read) co_return false;
    const net::Wake wake = co_await c.stream.wait_readable(deadline);
    if (wake != net::Wake::ready) co_return false;
  }
}

net::Task<bool> secure(Connection& c) {
  c.plain_on_tls = co_await speaks_plain_http(c);
  if (c.plain_on_tls) {
    c.tls = false;
    co_return c.stream.skip(0);  // What was looked at is still to be read.
  }
  const CertificateByName certificates(c);
  c.stream.set_layer(tls::make_server_layer(c.stream.descriptor(), certificates));
  const auto done = co_await net::handshake(c.stream, first_head_deadline_ms(c));
  if (!done) {
    log(LogLevel::info, "TLS handshake failed: ", done.error().detail, ", client: ", c.peer_ip());
    co_return false;
  }
  c.set_tls_facts(tls::session_facts(*c.stream.layer()));
  co_return true;
}

}  // namespace

const ServerConfig& first_server(const Connection& c) {
  return c.snapshot->servers[c.listener->names.find(c.tls_facts().server_name)];
}

std::int64_t first_head_deadline_ms(const Connection& c) {
  return c.accepted_ms + first_server(c).client_header_timeout_ms;
}

std::int64_t first_byte_deadline_ms(const Connection& c, std::int64_t since_ms) {
  const std::int64_t usual_ms = first_head_deadline_ms(c);
  return c.worker.draining || c.leaving ? std::min(usual_ms, since_ms + Worker::farewell_ms) : usual_ms;
}

net::Task<bool> open_connection(Connection& c) {
  // Who has not said a byte yet makes room for others like any idle connection.
  const std::int64_t since_ms = c.worker.loop.now().monotonic_ms;
  net::Wake wake = net::Wake::cancelled;
  c.idle = true;
  do {
    c.worker.begin_reusable(c);
    wake = co_await c.stream.wait_readable(first_byte_deadline_ms(c, since_ms));
    c.worker.end_reusable(c);
  } while (wake == net::Wake::cancelled && !c.stream.cancelled());
  c.idle = false;
  if (wake != net::Wake::ready) co_return false;
  if (c.listener->proxy_protocol) {
    const bool read = co_await read_proxy_header(c);
    if (!read) co_return false;
  }
  if (!c.tls) co_return true;  // As a statement of its own: GCC 12 awaits behind `||` whatever stands before it.
  co_return co_await secure(c);
}

}  // namespace keepgate::pipeline

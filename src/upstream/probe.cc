// One probe: a connection of its own, one request, as much of the answer as is judged.
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "http/chunked.h"
#include "net/socket.h"
#include "upstream/health_check.h"

namespace keepgate::upstream {

namespace {

constexpr std::size_t head_bytes_max = 32 * 1024;
constexpr std::size_t read_bytes = 16 * 1024;

class Probe {
 public:
  Probe(net::Loop& loop, const HealthCheck& check)
      : loop_(loop), check_(check), deadline_ms_(loop.now().monotonic_ms + check.timeout_ms) {}

  net::Task<std::string> run(net::Address address) {
    auto stream = co_await net::connect(loop_, address, within(check_.connect_timeout_ms));
    if (!stream) co_return "connecting to upstream";
    stream_ = std::move(*stream);
    if (check_.tls) {
      stream_.set_layer(tls::make_client_layer(stream_.descriptor(), check_.tls, check_.tls_name));
      const auto done = co_await net::handshake(stream_, within(check_.connect_timeout_ms));
      if (!done) co_return "SSL handshaking to upstream";
    }
    iovec piece{const_cast<char*>(check_.request.data()), check_.request.size()};
    const std::int64_t send_ms = within(check_.send_timeout_ms) - loop_.now().monotonic_ms;
    const auto sent = co_await net::write_all(stream_, &piece, 1, send_ms);
    if (!sent) co_return "sending request to upstream";
    bool read = co_await read_head();
    if (!read) co_return "reading response header from upstream";
    if (check_.reads_body) read = co_await read_body();
    if (!read) co_return "reading response body from upstream";
    const std::string_view trouble = check_.judge(parser_.head(), body_);
    co_return trouble.empty() ? std::string() : cat("checking ", trouble);
  }

 private:
  std::int64_t within(std::int64_t timeout_ms) const {
    return std::min(deadline_ms_, loop_.now().monotonic_ms + timeout_ms);
  }

  // More bytes behind those in buffer_; 0 at the end, nothing on failure.
  net::Task<std::optional<std::size_t>> read_more() {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + read_bytes);
    while (true) {
      const net::IoResult got = stream_.read(buffer_.data() + before, read_bytes);
      if (got.status == net::Io::want_read || got.status == net::Io::want_write) {
        const std::int64_t deadline_ms = within(check_.read_timeout_ms);
        const net::Wake wake = co_await stream_.wait_for(got.status, deadline_ms);
        if (wake == net::Wake::ready) continue;
        co_return std::nullopt;
      }
      if (got.status != net::Io::ok && got.status != net::Io::closed) co_return std::nullopt;
      const std::size_t bytes = got.status == net::Io::ok ? got.bytes : 0;
      buffer_.resize(before + bytes);
      co_return bytes;
    }
  }

  net::Task<bool> read_head() {
    while (buffer_.size() < head_bytes_max) {
      const auto got = co_await read_more();
      if (!got || *got == 0) co_return false;
      http::ParseStatus status = parser_.parse(buffer_, http::Method::get);
      while (status == http::ParseStatus::complete && parser_.head().status < 200) {
        buffer_.erase(0, parser_.head_bytes());
        parser_.reset();
        status = parser_.parse(buffer_, http::Method::get);
      }
      if (status == http::ParseStatus::complete) co_return true;
      if (status == http::ParseStatus::refused) co_return false;
    }
    co_return false;
  }

  // The head's fields point into buffer_: it is not changed any more. What follows it is decoded into body_.
  net::Task<bool> read_body() {
    std::string rest = buffer_.substr(parser_.head_bytes());
    std::swap(head_, buffer_);
    const std::uint64_t announced = parser_.head().content_length;
    bool over = parser_.head().framing == http::BodyFraming::none;
    while (!over) {
      if (!take(rest, announced, over)) co_return false;
      if (over || body_.size() >= HealthChecker::body_bytes_max) break;
      buffer_.clear();
      const auto got = co_await read_more();
      if (!got) co_return false;
      if (*got == 0) {
        over = parser_.head().framing == http::BodyFraming::until_close;
        if (!over) co_return false;
      }
      rest.assign(buffer_);
    }
    body_.resize(std::min(body_.size(), HealthChecker::body_bytes_max));
    co_return true;
  }

  bool take(std::string& bytes, std::uint64_t announced, bool& over) {
    if (parser_.head().framing != http::BodyFraming::chunked) {
      body_ += bytes;
      over = parser_.head().framing == http::BodyFraming::content_length && body_.size() >= announced;
      if (over) body_.resize(announced);
      return true;
    }
    const http::ChunkedDecoder::Step step = chunks_.decode(bytes.data(), bytes.size());
    body_.append(bytes.data(), step.data_bytes);
    over = step.done;
    return !step.malformed;
  }

  net::Loop& loop_;
  const HealthCheck& check_;
  std::int64_t deadline_ms_;
  net::Stream stream_;
  std::string buffer_, head_, body_;
  http::ResponseParser parser_;
  http::ChunkedDecoder chunks_;
};

}  // namespace

net::Task<std::string> probe_peer(net::Loop& loop, std::shared_ptr<const HealthCheck> check,
                                  std::shared_ptr<const Peer> peer) {
  Probe probe(loop, *check);
  net::Address address = peer->server.address;
  if (check->port && !address.is_unix()) address = address.with_port(*check->port);
  co_return co_await probe.run(address);
}

}  // namespace keepgate::upstream

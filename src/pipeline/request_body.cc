#include "pipeline/request_body.h"

#include <algorithm>

#include "pipeline/connection.h"

namespace keepgate::pipeline {

namespace {

constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

std::unexpected<Error> client_failure(ErrorKind kind, std::string_view code, std::string_view detail) {
  return fail(kind, Blame::client, code, std::string(detail));
}

}  // namespace

void RequestBody::begin(Connection& connection, const http::RequestHead& head) {
  connection_ = &connection;
  framing_ = head.framing;
  content_length_ = head.content_length;
  bytes_max_ = 0;
  received_ = 0;
  chunks_.reset();
  buffer_.release();
  expect_continue_ = head.expect_continue;
  buffered_ = {};
  started_ = broken_ = taken_by_next_ = false;
  finished_ =
      framing_ == http::BodyFraming::none || (framing_ == http::BodyFraming::content_length && content_length_ == 0);
}

// Decodes in place; `consumed` tells how much of the input belongs to this body.
Result<std::string_view> RequestBody::decode(char* bytes, std::size_t size, std::size_t& consumed) {
  std::size_t data_bytes = 0;
  if (framing_ == http::BodyFraming::content_length) {
    data_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(size, content_length_ - received_));
    consumed = data_bytes;
  } else {
    const http::ChunkedDecoder::Step step = chunks_.decode(bytes, size);
    consumed = step.consumed_bytes;
    data_bytes = step.data_bytes;
    if (step.malformed) {
      broken_ = true;
      return client_failure(ErrorKind::malformed, "malformed_body", step.reason);
    }
  }
  received_ += data_bytes;
  if (bytes_max_ != 0 && received_ > bytes_max_) {
    broken_ = true;
    return client_failure(ErrorKind::limit, "body_too_large", "the body is larger than client_max_body_size");
  }
  finished_ = framing_ == http::BodyFraming::content_length ? received_ == content_length_ : chunks_.done();
  return std::string_view(bytes, data_bytes);
}

// What arrived together with the head.
Result<std::string_view> RequestBody::from_connection() {
  Connection& c = *connection_;
  std::size_t consumed = 0;
  auto piece = decode(c.in.data() + c.in_begin, c.in_end - c.in_begin, consumed);
  c.in_begin += consumed;
  return piece;
}

Result<std::string_view> RequestBody::take_buffered() {
  if (started_ || finished_ || connection_->in_begin == connection_->in_end) return buffered_;
  started_ = true;
  expect_continue_ = false;  // A client that sends anyway is not waiting.
  auto piece = from_connection();
  if (piece) buffered_ = *piece;
  return piece;
}

net::Task<void> RequestBody::send_continue(std::int64_t timeout_ms) {
  if (!expect_continue_) co_return;
  expect_continue_ = false;
  iovec whole{const_cast<char*>(continue_response.data()), continue_response.size()};
  const auto written = co_await net::write_all(connection_->stream, &whole, 1, timeout_ms);
  broken_ = !written;
}

net::Task<Result<std::string_view>> RequestBody::next(std::int64_t timeout_ms) {
  started_ = taken_by_next_ = true;
  Connection& c = *connection_;
  while (!finished_) {
    if (broken_) co_return client_failure(ErrorKind::closed, "client_closed", "the body cannot be read any more");
    if (c.in_begin < c.in_end) {
      expect_continue_ = false;
      auto piece = from_connection();
      if (!piece || !piece->empty() || finished_) co_return piece;
      continue;
    }
    if (expect_continue_) {
      co_await send_continue(timeout_ms);
      continue;
    }
    if (!buffer_) buffer_ = c.worker.buffers.take(BufferPool::body_bytes);
    const std::uint64_t left = framing_ == http::BodyFraming::content_length ? content_length_ - received_ : UINT64_MAX;
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.capacity(), left));
    const net::IoResult got = c.stream.read(buffer_.data(), want);
    if (got.status == net::Io::want_read || got.status == net::Io::want_write) {
      const net::Wake wake =
          co_await net::wait_for(c.stream, got.status, c.stream.loop().now().monotonic_ms + timeout_ms);
      if (wake == net::Wake::ready) continue;
      broken_ = true;
      if (wake == net::Wake::timeout) {
        c.stream.note_timeout();
        co_return client_failure(ErrorKind::timeout, "request_timeout", "the client sent no more of its body");
      }
      co_return client_failure(ErrorKind::cancelled, "cancelled", "cancelled");
    }
    if (got.status != net::Io::ok) {
      broken_ = true;
      co_return client_failure(ErrorKind::closed, "client_closed", "the client closed before its body was complete");
    }
    std::size_t consumed = 0;
    auto piece = decode(buffer_.data(), got.bytes, consumed);
    // Behind a chunked body the next request may have begun. The views of this request's head point into the
    // connection's buffer, so the new bytes wait beside it.
    if (piece && consumed < got.bytes) c.keep_pipelined({buffer_.data() + consumed, got.bytes - consumed});
    if (!piece || !piece->empty() || finished_) co_return piece;
  }
  co_return std::string_view();
}

}  // namespace keepgate::pipeline

// RequestBody: the body of one request, piece by piece, decoded, bounded; nothing is read before somebody asks.
//
// Sends "100 Continue" when the client waits for it and the first piece is wanted (RFC 9110 §10.1.1). Thread rule: its
// worker's. Lifetime: a piece is valid until the next call.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "http/chunked.h"
#include "http/head.h"
#include "net/task.h"
#include "pipeline/buffer.h"

namespace keepgate::pipeline {

class Connection;

class RequestBody {
 public:
  // `connection.in_begin` stands behind the head.
  void begin(Connection& connection, const http::RequestHead& head);
  // 0, as at the beginning: no limit.
  void set_bytes_max(std::uint64_t bytes_max) { bytes_max_ = bytes_max; }

  bool finished() const { return finished_; }  // All of it was handed out (or there is none).
  bool untouched() const { return !started_; }
  bool waits_for_continue() const { return expect_continue_; }
  // Nothing but what take_buffered() gave was handed out: it gives the same again, to another upstream.
  bool rewindable() const { return !taken_by_next_ && !broken_; }
  bool broken() const { return broken_; }  // Malformed or cut off: the connection is of no more use.
  http::BodyFraming framing() const { return framing_; }
  std::uint64_t content_length() const { return content_length_; }
  std::uint64_t received_bytes() const { return received_; }

  // What has already arrived, without waiting: may be empty. Again after that: the same, while rewindable().
  Result<std::string_view> take_buffered();
  // Tells a client that waits for it to go on. A caller that lets others write to the client while it reads the body
  // does this first, so that an interim answer never runs into the final one. Failure shows in next().
  net::Task<void> send_continue(std::int64_t timeout_ms);
  // The next piece; empty exactly when finished(). Errors: timeout (408), closed, malformed (400), limit (413).
  net::Task<Result<std::string_view>> next(std::int64_t timeout_ms);

 private:
  Result<std::string_view> decode(char* bytes, std::size_t size, std::size_t& consumed);
  Result<std::string_view> from_connection();

  Connection* connection_ = nullptr;
  http::ChunkedDecoder chunks_;
  http::BodyFraming framing_ = http::BodyFraming::none;
  std::uint64_t content_length_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t bytes_max_ = 0;  // 0: no limit.
  Buffer buffer_;                // Taken when more arrives than came with the head.
  bool finished_ = true;
  std::string_view buffered_;  // What take_buffered() gave; stays in the connection's buffer.
  bool started_ = false;
  bool taken_by_next_ = false;
  bool expect_continue_ = false;
  bool broken_ = false;
};

}  // namespace keepgate::pipeline

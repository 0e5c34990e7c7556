// HTTP/1.1 heads, strict by RFC 9112: bytes in, a neutral head out; no I/O.
//
// Incremental: call parse() with everything received of the message so far, from its first byte; the bytes may have
// moved in memory between calls, but not changed. Each line is checked as soon as it is complete, so bad input is
// refused early, and a byte is never looked at more than a constant number of times. Cost: linear, no allocation.
// What others tolerate and this parser refuses is listed in h1_parser.cc at each check (design: request smuggling).
// Thread rule: one owner. Lifetime: head() has views into the bytes of the last parse() call.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/head.h"

namespace keepgate::http {

struct HeadLimits {
  std::uint32_t line_bytes_max = 8 * 1024;    // Request line: 414. Header line: 431.
  std::uint32_t head_bytes_max = 32 * 1024;   // 431.
  std::uint32_t headers_max = 200;            // 431. At most H1Parser::header_capacity.
  bool underscores_allowed = false;           // nginx underscores_in_headers; names with other odd bytes: see below.
};

// Why a head was refused: a status for the client, a literal for the log. For responses `status` is 502.
struct HeadRefusal {
  std::uint16_t status = 400;
  std::string_view reason;  // "two Host fields", "bare LF", …; a literal without a full stop.
};

enum class ParseStatus : std::uint8_t { refused = 0, need_more, complete };

// Common to requests and responses: line splitting, field checks, framing (RFC 9112 §5, §6).
class H1Parser {
 public:
  static constexpr std::size_t header_capacity = 200;

  std::size_t head_bytes() const { return head_bytes_; }  // After complete: length of the head with its empty line.
  const HeadRefusal& refusal() const { return refusal_; }

 protected:
  struct Line {  // Offsets, since the buffer may move before the head is complete.
    std::uint32_t begin, name_end, value_begin, value_end, end;
    Field field;
  };
  // See h1_parser.cc; a worker of ours fills in what else it needs here.
  std::array<Line, header_capacity> lines_;
  std::array<HeaderLine, header_capacity> headers_;
  std::uint32_t line_count_ = 0;
  std::uint32_t scanned_ = 0;     // Everything before is checked.
  std::uint32_t searched_ = 0;    // No LF between scanned_ and here.
  std::uint32_t head_bytes_ = 0;
  HeadRefusal refusal_;
};

class RequestParser : public H1Parser {
 public:
  explicit RequestParser(const HeadLimits& limits = {});
  ParseStatus parse(std::string_view bytes);
  const RequestHead& head() const { return head_; }
  void reset();

 private:
  HeadLimits limits_;
  RequestHead head_;
};

class ResponseParser : public H1Parser {
 public:
  explicit ResponseParser(const HeadLimits& limits = {});
  // `request_method` decides framing (HEAD has no body; RFC 9112 §6.3).
  ParseStatus parse(std::string_view bytes, Method request_method);
  const ResponseHead& head() const { return head_; }
  void reset();

 private:
  HeadLimits limits_;
  ResponseHead head_;
};

}  // namespace keepgate::http

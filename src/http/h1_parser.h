// HTTP/1.1 heads, strict by RFC 9112: bytes in, a neutral head out; no I/O.
//
// Incremental: call parse() with everything received of the message so far, from its first byte; the bytes may have
// moved in memory between calls, but not changed. Each line is checked as soon as it is complete, so bad input is
// refused early, and a byte is never looked at more than a constant number of times. Cost: linear, no allocation.
// How the bytes were cut into calls never changes the result. What others tolerate and this parser refuses is listed
// in h1_parser.cc, h1_request.cc and h1_response.cc at each check (design: request smuggling).
// Thread rule: one owner. Lifetime: head() has views into the bytes of the last parse() call.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/head.h"

namespace keepgate::http {

// Lengths count the CRLF of a line.
struct HeadLimits {
  std::uint32_t line_bytes_max = 8 * 1024;   // Request line: 414. Header line: 431.
  std::uint32_t head_bytes_max = 32 * 1024;  // 431.
  std::uint32_t headers_max = 200;           // 431. At most H1Parser::header_capacity. Dropped fields count too.
  // nginx underscores_in_headers. Of a request, a field whose name has '_' (unless allowed) or any other byte beyond
  // letters, digits and '-' is dropped without a word, as by nginx (ignore_invalid_headers on); bytes that cannot
  // stand in a token are refused. Of a response, every token is a name.
  bool underscores_allowed = false;
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

  H1Parser(const H1Parser&) = delete;
  H1Parser& operator=(const H1Parser&) = delete;

  std::size_t head_bytes() const { return head_bytes_; }  // After complete: length of the head with its empty line.
  const HeadRefusal& refusal() const { return refusal_; }

 protected:
  enum class Stage : std::uint8_t { refused = 0, start_line, fields, complete };
  enum class Side : std::uint8_t { request, response };
  // Where the fields that the parser itself needs stand among the lines, counted from 1; 0 = absent.
  struct Places {
    std::uint8_t host = 0, content_length = 0, transfer_encoding = 0, expect = 0, connection = 0, upgrade = 0;
  };
  struct ConnectionOptions {
    bool close = false, keep_alive = false, upgrade = false, others = false;
  };
  struct Framing {
    BodyFraming body = BodyFraming::none;
    bool has_content_length = false;
    std::uint64_t content_length = 0;
  };

  H1Parser() {}  // Not `= default`: the big array stays uninitialised.
  ~H1Parser() = default;

  void restart();
  // At the beginning of each call: the bytes may be elsewhere than in the last one.
  void follow(std::string_view bytes) {
    if (bytes.data() != base_) move_to(bytes.data());
  }
  ParseStatus refuse(std::uint16_t status, std::string_view reason);
  bool reject(std::uint16_t status, std::string_view reason);  // refuse() for checks: false.
  std::size_t line_stop(const HeadLimits& limits) const;
  // Looks for the LF of the line at scanned_; `line_end` is its place. need_more and refused as parse().
  ParseStatus find_line_end(std::string_view bytes, const HeadLimits& limits, std::uint16_t too_long_status,
                            std::size_t& line_end);
  ParseStatus read_fields(std::string_view bytes, const HeadLimits& limits, Side side);
  bool read_framing(std::uint8_t version_minor, Framing& framing);
  bool read_connection(ConnectionOptions& options);
  std::span<const HeaderLine> lines() const { return {lines_, line_count_}; }
  std::string_view value_of(std::uint8_t place) const { return lines_[place - 1U].value; }

  Stage stage_ = Stage::start_line;
  Places places_;
  std::uint32_t line_count_ = 0;
  std::uint32_t field_count_ = 0;  // With the dropped ones.
  std::uint32_t scanned_ = 0;      // Everything before is checked: the start of the line being read.
  std::uint32_t searched_ = 0;     // No LF between scanned_ and here.
  std::uint32_t head_bytes_ = 0;
  HeadRefusal refusal_;

 private:
  void move_to(const char* base);
  ParseStatus read_odd_line(std::string_view bytes, const HeadLimits& limits, Side side);
  bool add_field(std::string_view bytes, const char* begin, const char* name_end, const char* line_end,
                 const HeadLimits& limits, Side side);
  bool note(Field field, Side side);
  bool count_field(const HeadLimits& limits);

  const char* base_ = nullptr;  // The bytes of the last call: what the views in lines_ point into.
  union {                       // The first line_count_ are there.
    HeaderLine lines_[header_capacity];
  };
};

class RequestParser : public H1Parser {
 public:
  explicit RequestParser(const HeadLimits& limits = {}) : limits_(limits) {}
  // After `complete`, another call with the same bytes at another place renews the views.
  ParseStatus parse(std::string_view bytes);
  // After `refused`: method_text and target, for the log, if the request line was good; nothing else.
  const RequestHead& head() const { return head_; }
  void set_limits(const HeadLimits& limits) { limits_ = limits; }  // Before the first parse() of a message.
  // After `refused`: head() becomes what an error page is asked with. Method and target are those of the request line
  // if it was good (else GET and none), the path is "/"; nothing else of what was sent: no field, no body, no
  // keep-alive.
  void stand_in_for_refused();
  void reset();

 private:
  ParseStatus read_request_line(std::string_view bytes);
  ParseStatus accept_request_line(std::string_view bytes, std::size_t target_end);
  bool read_target(std::string_view target);
  bool read_absolute_form(std::string_view target);
  ParseStatus finish(std::string_view bytes);
  bool read_authority(std::string_view bytes);
  bool read_expect();
  void fill_start_line(std::string_view bytes);

  HeadLimits limits_;
  std::uint32_t method_begin_ = 0;
  std::uint32_t method_end_ = 0;  // The target begins one byte later.
  std::uint32_t target_end_ = 0;
  std::uint32_t authority_begin_ = 0;  // In the target; both 0 when it has none.
  std::uint32_t authority_end_ = 0;
  std::uint32_t path_begin_ = 0;
  std::uint32_t path_end_ = 0;
  std::uint32_t query_begin_ = 0;  // 0 = no query.
  RequestHead head_;
};

class ResponseParser : public H1Parser {
 public:
  explicit ResponseParser(const HeadLimits& limits = {}) : limits_(limits) {}
  // `request_method` decides framing (HEAD has no body; RFC 9112 §6.3).
  ParseStatus parse(std::string_view bytes, Method request_method);
  const ResponseHead& head() const { return head_; }
  void reset();

 private:
  ParseStatus read_status_line(std::string_view bytes);
  ParseStatus finish(std::string_view bytes, Method request_method);

  HeadLimits limits_;
  std::uint32_t reason_begin_ = 0;
  std::uint32_t reason_end_ = 0;
  ResponseHead head_;
};

}  // namespace keepgate::http

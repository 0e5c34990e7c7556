// RequestHead and ResponseHead: one neutral form of a message head, whatever wire it came by.
//
// Nothing above http/ knows whether a head came from HTTP/1.1 or, later, HTTP/2. All views point into the buffer that
// was parsed and live as long as that buffer stays where it is. Thread rule: plain values.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/field.h"

namespace keepgate::http {

enum class Method : std::uint8_t { other = 0, get, head, post, put, delete_, connect, options, trace, patch };

// Case-sensitive, as RFC 9110 §9.1 wants: "get" is Method::other.
Method method_of(std::string_view text);
// RFC 9110 §9.2.2, and what IANA's registry of methods says of the others (`text` for Method::other). A retry is
// allowed for these only; a method that nobody registered is not one of them.
bool is_idempotent(Method method, std::string_view text);

struct HeaderLine {
  std::string_view name;   // As received.
  std::string_view value;  // Without the white space around it.
  std::string_view raw;    // The whole line with its CRLF; adjacent lines are adjacent in memory (HTTP/1).
  Field field = Field::other;
};

enum class BodyFraming : std::uint8_t {
  none = 0,        // No body.
  content_length,  // Exactly `content_length` bytes; may be 0.
  chunked,         // RFC 9112 §7.1.
  until_close,     // Responses only: RFC 9112 §6.3 rule 8.
};

struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;    // The request target exactly as sent.
  std::string_view raw_path;  // Path part of the target, as sent: starts with '/', or is "*" (OPTIONS only).
  std::string_view query;     // Without '?'.
  bool has_query = false;     // Tells "/x?" from "/x".
  std::string_view
      authority;          // Host and port: from the absolute form if given, else from Host. Empty in HTTP/1.0 only.
  std::string_view host;  // `authority` without port and trailing dot; case as sent. Brackets kept for IPv6.
  std::uint8_t version_minor = 1;  // 0 or 1 for HTTP/1.x.
  BodyFraming framing = BodyFraming::none;
  std::uint64_t content_length = 0;
  bool keep_alive = false;       // What the client asked for: version default and Connection options.
  bool expect_continue = false;  // RFC 9110 §10.1.1.
  bool upgrade = false;          // Connection: upgrade together with an Upgrade field.
  bool names_hop_fields =
      false;  // Connection lists field names beyond keep-alive, close, upgrade: they are dropped too.
  std::span<const HeaderLine> headers;

  // First field of that kind or name (no case); nullptr if absent.
  const HeaderLine* find(Field field) const;
  const HeaderLine* find(std::string_view name) const;
  // Is `name` listed as an option of any Connection field? (RFC 9110 §7.6.1)
  bool connection_lists(std::string_view name) const;
};

struct ResponseHead {
  std::uint16_t status = 0;  // 100–999 as received; callers refuse what they cannot use.
  std::string_view reason;
  std::uint8_t version_minor = 1;
  BodyFraming framing = BodyFraming::none;
  std::uint64_t content_length = 0;
  bool has_content_length = false;  // Also with a bodyless answer (HEAD, 304), where it is passed on.
  bool keep_alive = false;
  bool names_hop_fields = false;
  std::span<const HeaderLine> headers;

  const HeaderLine* find(Field field) const;
  const HeaderLine* find(std::string_view name) const;
  bool connection_lists(std::string_view name) const;
};

}  // namespace keepgate::http

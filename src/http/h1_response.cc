// Status lines and the framing of answers: RFC 9112 §4, §6.3. The upstream is not trusted: as strict as requests.
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "http/chars.h"
#include "http/h1_parser.h"
#include "http/status.h"

namespace keepgate::http {

namespace {

constexpr std::size_t status_code_end = 12;  // "HTTP/1.1 200"

bool starts_as_status_line(const char* line) {
  return std::memcmp(line, "HTTP/1.", 7) == 0 && (line[7] == '1' || line[7] == '0') && line[8] == ' ' &&
         is_digit(line[9]) && is_digit(line[10]) && is_digit(line[11]);
}

std::string_view fault_of_status_line(std::string_view line) {
  if (!line.ends_with('\r')) return "bare LF";
  line.remove_suffix(1);
  if (line.contains('\r')) return "bare CR";
  if (!is_field_value(line)) return "control byte in the status line";
  return "malformed status line";
}

}  // namespace

void ResponseParser::reset() {
  restart();
  head_ = {};
}

ParseStatus ResponseParser::parse(std::string_view bytes, Method request_method) {
  follow(bytes);
  ParseStatus status = ParseStatus::complete;
  if (stage_ == Stage::start_line) status = read_status_line(bytes);
  if (stage_ == Stage::fields) {
    status = read_fields(bytes, limits_, Side::response);
    if (status == ParseStatus::complete) stage_ = Stage::complete;
  }
  if (stage_ == Stage::complete) status = finish(bytes, request_method);
  if (stage_ != Stage::refused) return status;
  refusal_.status = 502;  // Whatever it would be for a request: the client is not to blame.
  return ParseStatus::refused;
}

ParseStatus ResponseParser::read_status_line(std::string_view bytes) {
  std::size_t line_end = 0;
  // Known by the first byte, before there is a line: an upstream that speaks something else.
  if (!bytes.empty() && bytes.front() != 'H') return refuse(502, "malformed status line");
  const ParseStatus status = find_line_end(bytes, limits_, 502, line_end);
  if (status != ParseStatus::complete) return status;
  const char* const data = bytes.data();
  const char* const end = data + line_end;  // At the LF.
  // RFC 9112 §4: SP after the code even without a reason; upstreams that leave it out are common and harmless.
  if (line_end >= status_code_end + 1 && starts_as_status_line(data) && end[-1] == '\r') {
    const bool has_reason = data[status_code_end] == ' ';
    const char* const reason = data + status_code_end + (has_reason ? 1 : 0);
    if ((has_reason || reason == end - 1) && skip_value(reason, end) == end - 1) {
      head_.version_minor = static_cast<std::uint8_t>(data[7] - '0');
      head_.status = static_cast<std::uint16_t>((data[9] - '0') * 100 + (data[10] - '0') * 10 + (data[11] - '0'));
      if (head_.status < 100) return refuse(502, "status below 100");
      reason_begin_ = static_cast<std::uint32_t>(reason - data);
      reason_end_ = static_cast<std::uint32_t>(line_end - 1);
      scanned_ = static_cast<std::uint32_t>(line_end + 1);
      stage_ = Stage::fields;
      return ParseStatus::complete;
    }
  }
  return refuse(502, fault_of_status_line(bytes.substr(0, line_end)));
}

ParseStatus ResponseParser::finish(std::string_view bytes, Method request_method) {
  Framing framing;
  ConnectionOptions connection;
  if (!read_framing(head_.version_minor, framing) || !read_connection(connection)) {
    return ParseStatus::refused;
  }
  const bool bodyless = request_method == Method::head || !has_body(head_.status) ||
                        (request_method == Method::connect && head_.status < 300);
  // RFC 9112 §6.1: a server MUST NOT send Transfer-Encoding with 1xx and 204. Whoever does may well send chunks too,
  // and they would be read as the next answer on this connection.
  const bool never_has_body = head_.status < 200 || head_.status == 204;
  if (never_has_body && framing.body == BodyFraming::chunked) {
    return refuse(502, "Transfer-Encoding with an answer that has no body");
  }
  head_.reason = bytes.substr(reason_begin_, reason_end_ - reason_begin_);
  head_.has_content_length = framing.has_content_length;
  head_.content_length = framing.content_length;
  head_.keep_alive = !connection.close && (head_.version_minor >= 1 || connection.keep_alive);
  if (bodyless) {
    head_.framing = BodyFraming::none;
    // A length above 0 announces bytes that RFC 9110 §8.6 forbids here: the connection is not used again.
    if (never_has_body && framing.content_length > 0) head_.keep_alive = false;
  } else if (framing.body != BodyFraming::none) {
    head_.framing = framing.body;
  } else {
    head_.framing = BodyFraming::until_close;  // RFC 9112 §6.3 rule 8.
    head_.keep_alive = false;
  }
  head_.names_hop_fields = connection.others;
  head_.headers = lines();
  return ParseStatus::complete;
}

}  // namespace keepgate::http

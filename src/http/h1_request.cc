// Request lines, targets and Host: RFC 9112 §3, RFC 9110 §7.2.
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/h1_parser.h"

namespace keepgate::http {

namespace {

constexpr std::size_t method_bytes_max = 32;
constexpr std::size_t version_bytes = 8;  // "HTTP/1.1"

// "HTTP/" DIGIT "." DIGIT, in capitals (RFC 9112 §2.3).
bool is_version(std::string_view text) {
  return text.size() == version_bytes && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}

HeadRefusal fault_of_target(std::string_view target) {
  for (const char c : target) {
    if (c == '#') return {400, "fragment in the target"};  // RFC 9112 §3.2: no form of the target has one.
    if (static_cast<unsigned char>(c) >= 0x80) return {400, "non-ASCII byte in the target"};
  }
  return {400, "malformed request line"};
}

// What is wrong with a request line that the fast path did not take. `line` is without its LF.
HeadRefusal fault_of_request_line(std::string_view line) {
  if (!line.ends_with('\r')) return {400, "bare LF"};
  line.remove_suffix(1);
  if (line.empty()) return {400, "more than one empty line before the request"};
  for (const char c : line) {
    if (c == '\r') return {400, "bare CR"};
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return {400, "control byte in the request line"};
  }
  const std::size_t method_end = line.find(' ');
  if (!is_token(line.substr(0, method_end))) return {400, "invalid method"};
  if (std::min(method_end, line.size()) > method_bytes_max) return {400, "method too long"};
  if (method_end == std::string_view::npos) return {400, "request line without a target"};
  // RFC 9112 §3: exactly one SP; the leniency of §3.2 towards white space inside the line is not ours.
  const std::string_view rest = line.substr(method_end + 1);
  const std::size_t target_end = rest.find(' ');
  if (target_end == 0 || rest.empty()) return {400, "white space in the request line"};
  if (target_end == std::string_view::npos) return {400, "request line without a version"};  // HTTP/0.9 among them.
  const std::string_view version = rest.substr(target_end + 1);
  if (version.contains(' ')) return {400, "white space in the request line"};
  if (!is_version(version)) return {400, "malformed HTTP version"};
  if (!version.starts_with("HTTP/1.") || version[7] > '1') return {505, "unsupported HTTP version"};
  return fault_of_target(rest.substr(0, target_end));
}

}  // namespace

void RequestParser::reset() {
  restart();
  head_ = {};
}

void RequestParser::stand_in_for_refused() {
  RequestHead head;
  head.method_text = head_.method_text.empty() ? std::string_view("GET") : head_.method_text;
  head.method = method_of(head.method_text);
  head.target = head_.target;
  head.version_minor = head_.version_minor;
  head.raw_path = "/";
  head_ = head;
}

ParseStatus RequestParser::parse(std::string_view bytes) {
  follow(bytes);
  if (stage_ == Stage::start_line) {
    if (const ParseStatus status = read_request_line(bytes); status != ParseStatus::complete) return status;
  }
  if (stage_ == Stage::fields) {
    const ParseStatus status = read_fields(bytes, limits_, Side::request);
    if (status == ParseStatus::refused) fill_start_line(bytes);
    if (status != ParseStatus::complete) return status;
    stage_ = Stage::complete;
  }
  return stage_ == Stage::complete ? finish(bytes) : ParseStatus::refused;
}

ParseStatus RequestParser::read_request_line(std::string_view bytes) {
  if (bytes.empty()) return ParseStatus::need_more;
  if (scanned_ == 0 && bytes.front() == '\r') {
    // RFC 9112 §2.2: a CRLF before the request line SHOULD be ignored; one is, for clients that end a body with it.
    if (bytes.size() < 2) return ParseStatus::need_more;
    if (bytes[1] != '\n') return refuse(400, "bare CR");
    scanned_ = 2;
  }
  const std::size_t begin = scanned_;
  if (bytes.size() == begin) return ParseStatus::need_more;
  // Known by the first byte, before there is a line: TLS spoken to a plain port, a preface of another protocol.
  if (bytes[begin] != '\r' && !is_char(bytes[begin], char_token)) {
    return refuse(400, bytes[begin] == '\n' ? "bare LF" : "invalid method");
  }
  std::size_t line_end = 0;
  if (searched_ > begin) {
    const ParseStatus status = find_line_end(bytes, limits_, 414, line_end);
    if (status != ParseStatus::complete) return status;
  }
  const char* const data = bytes.data();
  const char* const end = data + std::min(bytes.size(), line_stop(limits_));
  const char* const method_stop = data + begin + std::min<std::size_t>(end - data - begin, method_bytes_max + 1);
  const char* const method_end = skip_class(data + begin, method_stop, char_token);
  if (method_end != method_stop && method_end != data + begin && *method_end == ' ') {
    const char* const target_end = skip_target(method_end + 1, end);
    if (target_end != method_end + 1 && end - target_end >= 11 && std::memcmp(target_end, " HTTP/1.", 8) == 0 &&
        (target_end[8] == '1' || target_end[8] == '0') && target_end[9] == '\r' && target_end[10] == '\n') {
      method_begin_ = offset(begin);
      method_end_ = offset(method_end - data);
      head_.version_minor = static_cast<std::uint8_t>(target_end[8] - '0');
      return accept_request_line(bytes, static_cast<std::size_t>(target_end - data));
    }
  }
  const ParseStatus status = find_line_end(bytes, limits_, 414, line_end);
  if (status != ParseStatus::complete) return status;
  const HeadRefusal fault = fault_of_request_line(bytes.substr(begin, line_end - begin));
  return refuse(fault.status, fault.reason);
}

ParseStatus RequestParser::accept_request_line(std::string_view bytes, std::size_t target_end) {
  target_end_ = offset(target_end);
  head_.method = method_of(bytes.substr(method_begin_, method_end_ - method_begin_));
  authority_begin_ = authority_end_ = path_end_ = query_begin_ = 0;
  if (!read_target(bytes.substr(method_end_ + 1U, target_end_ - method_end_ - 1U))) {
    fill_start_line(bytes);
    return ParseStatus::refused;
  }
  scanned_ = offset(target_end + 3 + version_bytes);
  stage_ = Stage::fields;
  return ParseStatus::complete;
}

// RFC 9112 §3.2: which of the four forms.
bool RequestParser::read_target(std::string_view target) {
  const std::uint32_t begin = method_end_ + 1;
  if (head_.method == Method::connect) {  // authority-form, which always names a port (RFC 9110 §9.3.6).
    const Authority authority = parse_authority(target);
    if (!authority.valid || !authority.has_port) return reject(400, "invalid target for CONNECT");
    authority_begin_ = path_begin_ = path_end_ = begin;
    authority_end_ = target_end_;
    return true;
  }
  if (target.front() == '/') {
    path_begin_ = begin;
  } else if (target == "*") {
    if (head_.method != Method::options) return reject(400, "asterisk target without OPTIONS");
    path_begin_ = begin;
  } else if (!read_absolute_form(target)) {
    return reject(400, "invalid target");
  }
  const std::size_t question = target.find('?');  // Neither a scheme nor a valid authority has one.
  const bool has_query = question != std::string_view::npos;
  if (path_end_ == 0) path_end_ = has_query ? offset(begin + question) : target_end_;
  query_begin_ = has_query ? offset(begin + question + 1) : 0;
  return true;
}

// "http://host:port/path?query". Whose scheme it is does not matter here, but no other scheme is ours to serve.
bool RequestParser::read_absolute_form(std::string_view target) {
  const std::size_t scheme_end = target.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view scheme = target.substr(0, scheme_end);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return false;
  const std::uint32_t begin = method_end_ + 1;
  const std::size_t authority = scheme_end + 3;
  const std::size_t authority_end = std::min(target.find_first_of("/?", authority), target.size());
  if (!parse_authority(target.substr(authority, authority_end - authority)).valid) return false;
  authority_begin_ = offset(begin + authority);
  authority_end_ = offset(begin + authority_end);
  if (authority_end < target.size() && target[authority_end] == '/') {
    path_begin_ = authority_end_;
  } else {
    // RFC 9112 §3.2.1: an empty path is "/". The second slash of "://" serves as its view, so that all views stay in
    // the buffer.
    path_begin_ = authority_begin_ - 1;
    path_end_ = authority_begin_;
  }
  return true;
}

void RequestParser::fill_start_line(std::string_view bytes) {
  head_.method_text = bytes.substr(method_begin_, method_end_ - method_begin_);
  head_.target = bytes.substr(method_end_ + 1U, target_end_ - method_end_ - 1U);
}

ParseStatus RequestParser::finish(std::string_view bytes) {
  fill_start_line(bytes);
  head_.raw_path = bytes.substr(path_begin_, path_end_ - path_begin_);
  head_.has_query = query_begin_ != 0;
  head_.query = head_.has_query ? bytes.substr(query_begin_, target_end_ - query_begin_) : std::string_view{};
  Framing framing;
  ConnectionOptions connection;
  if (!read_authority(bytes) || !read_framing(head_.version_minor, framing) || !read_connection(connection) ||
      !read_expect()) {
    return ParseStatus::refused;
  }
  head_.framing = framing.body;
  head_.content_length = framing.content_length;
  // RFC 9112 §9.3.
  head_.keep_alive = !connection.close && (head_.version_minor >= 1 || connection.keep_alive);
  // RFC 9110 §7.8: Upgrade in HTTP/1.0 MUST be ignored, and it counts only when Connection names it.
  head_.upgrade = head_.version_minor >= 1 && connection.upgrade && places_.upgrade != 0;
  head_.names_hop_fields = connection.others;
  head_.headers = lines();
  return ParseStatus::complete;
}

// RFC 9112 §3.2: exactly one valid Host in HTTP/1.1. Where the target has an authority too, §3.2.2 would let it win;
// here they must agree, so that whoever reads either reads the same.
bool RequestParser::read_authority(std::string_view bytes) {
  head_.authority = bytes.substr(authority_begin_, authority_end_ - authority_begin_);
  if (places_.host == 0) {
    if (head_.version_minor >= 1) return reject(400, "no Host field");
    head_.host = head_.authority.empty() ? std::string_view{} : parse_authority(head_.authority).host;
    return true;
  }
  const std::string_view field = value_of(places_.host);
  if (head_.authority.empty()) {
    head_.authority = field;
  } else if (!equals_ignoring_case(head_.authority, field)) {
    return reject(400, "Host differs from the target");
  }
  const Authority authority = parse_authority(head_.authority);
  if (!authority.valid) return reject(400, "invalid Host");
  head_.host = authority.host;
  return true;
}

// RFC 9110 §10.1.1. HTTP/1.0 knows no interim answers: the expectation is ignored there.
bool RequestParser::read_expect() {
  head_.expect_continue = false;
  if (places_.expect == 0) return true;
  if (!equals_ignoring_case(value_of(places_.expect), "100-continue")) {
    return reject(417, "unknown expectation");
  }
  head_.expect_continue = head_.version_minor >= 1;
  return true;
}

}  // namespace keepgate::http

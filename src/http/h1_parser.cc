// What requests and responses have in common: lines, fields, framing.
//
// A line that is what nearly all lines are takes the fast path: one look at each byte of the name, one at each byte of
// the value, which also finds the end of the line. Whatever does not fit (not yet complete, odd, or bad) goes to
// read_odd_line(), which waits for the LF and then says exactly what is wrong.
// INVARIANT: the verdict on a line depends on the bytes of the head up to its LF, never on how they arrived.
#include "http/h1_parser.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "base/bytes.h"
#include "http/chars.h"

namespace keepgate::http {

namespace {

// Why a field line with these bytes (its line end cut off) is refused; "" if it is not. `name_end`: the colon.
std::string_view fault_of_field(std::string_view line, std::size_t& name_end) {
  // RFC 9112 §2.2: a bare CR must not be let through. RFC 9110 §5.5: nor NUL and the other control bytes.
  for (const char c : line) {
    if (c == '\r') return "bare CR";
    if (c == '\0') return "NUL in a header line";
    if (!is_char(c, char_value)) return "control byte in a header line";
  }
  name_end = line.find(':');
  if (name_end == std::string_view::npos) return "header line without a colon";
  if (name_end == 0) return "empty field name";
  const std::string_view name = line.substr(0, name_end);
  // RFC 9112 §5.1: no white space between name and colon; a server MUST answer 400.
  if (name.back() == ' ' || name.back() == '\t') return "white space before the colon";
  return is_token(name) ? std::string_view{} : "invalid field name";
}

// RFC 9112 §6.1. Only the plain spelling: white space other than one SP before the value is where parsers differ.
bool is_plain_value(const HeaderLine& line) {
  const std::size_t gap = static_cast<std::size_t>(line.value.data() - line.name.data()) - line.name.size() - 1;
  const bool plain_gap = gap == 0 || (gap == 1 && line.raw[line.name.size() + 1] == ' ');
  return plain_gap && line.name.size() + 1 + gap + line.value.size() + 2 == line.raw.size();
}

}  // namespace

void H1Parser::restart() {
  stage_ = Stage::start_line;
  places_ = {};
  line_count_ = field_count_ = scanned_ = searched_ = head_bytes_ = 0;
  refusal_ = {};
}

// The old bytes may be gone: their address is a number here, and nothing behind it is looked at.
void H1Parser::move_to(const char* base) {
  const auto old = reinterpret_cast<std::uintptr_t>(base_);
  const auto moved = [&](std::string_view view) {
    return std::string_view(base + (reinterpret_cast<std::uintptr_t>(view.data()) - old), view.size());
  };
  for (std::uint32_t i = 0; i < line_count_; ++i) {
    HeaderLine& line = lines_[i];
    line = {moved(line.name), moved(line.value), moved(line.raw), line.field};
  }
  base_ = base;
}

ParseStatus H1Parser::refuse(std::uint16_t status, std::string_view reason) {
  stage_ = Stage::refused;
  refusal_ = {status, reason};
  return ParseStatus::refused;
}

bool H1Parser::reject(std::uint16_t status, std::string_view reason) {
  refuse(status, reason);
  return false;
}

// The first place where the LF of the current line may not stand any more.
std::size_t H1Parser::line_stop(const HeadLimits& limits) const {
  return std::min<std::size_t>(std::size_t{scanned_} + limits.line_bytes_max, limits.head_bytes_max);
}

ParseStatus H1Parser::find_line_end(std::string_view bytes, const HeadLimits& limits, std::uint16_t too_long_status,
                                    std::size_t& line_end) {
  const std::size_t stop = line_stop(limits);
  const std::size_t from = std::max(scanned_, searched_);
  const std::size_t to = std::min(bytes.size(), stop);
  if (from < to) {
    if (const void* found = std::memchr(bytes.data() + from, '\n', to - from)) {
      line_end = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
      return ParseStatus::complete;
    }
  }
  if (to == stop) {
    const bool line_too_long = stop == std::size_t{scanned_} + limits.line_bytes_max;
    return line_too_long ? refuse(too_long_status, "line too long") : refuse(431, "head too large");
  }
  searched_ = offset(to);
  return ParseStatus::need_more;
}

inline bool H1Parser::count_field(const HeadLimits& limits) {
  if (++field_count_ <= std::min<std::size_t>(limits.headers_max, header_capacity)) return true;
  return reject(431, "too many header fields");
}

// The line is checked: name, colon at `name_end`, value with the white space around it up to the CRLF at `line_end`.
// Inline for speed: this is most of what a request costs here.
[[gnu::always_inline]] inline bool H1Parser::add_field(std::string_view bytes, const char* begin, const char* name_end,
                                                       const char* line_end, const HeadLimits& limits, Side side) {
  if (!count_field(limits)) return false;
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  const char* value_begin = name_end + 1;
  const char* value_end = line_end;
  while (value_begin < value_end && is_blank(*value_begin)) ++value_begin;
  while (value_begin < value_end && is_blank(value_end[-1])) --value_end;
  const auto name_bytes = static_cast<std::size_t>(name_end - begin);
  const Field field = field_of({begin, name_bytes});
  const auto raw_bytes = static_cast<std::size_t>(line_end + 2 - begin);
  std::construct_at(&lines_[line_count_++], HeaderLine{{begin, name_bytes},
                                                       {value_begin, static_cast<std::size_t>(value_end - value_begin)},
                                                       {begin, raw_bytes},
                                                       field});
  scanned_ = offset(static_cast<std::size_t>(begin - bytes.data()) + raw_bytes);
  return field == Field::other || note(field, side);
}

ParseStatus H1Parser::read_fields(std::string_view bytes, const HeadLimits& limits, Side side) {
  const char* const data = bytes.data();
  while (true) {
    const char* const begin = data + scanned_;
    std::size_t line_end = 0;
    if (searched_ > scanned_) {  // A line that was incomplete before: no second look at its bytes until it is complete.
      const ParseStatus status = find_line_end(bytes, limits, 431, line_end);
      if (status != ParseStatus::complete) return status;
    }
    const char* const end = data + std::min(bytes.size(), line_stop(limits));
    const char* const name_end = skip_simple_name(begin, end);
    if (name_end != end && *name_end == ':' && name_end != begin) {
      const char* const value_end = skip_value(name_end + 1, end);
      if (end - value_end >= 2 && value_end[0] == '\r' && value_end[1] == '\n') {
        if (!add_field(bytes, begin, name_end, value_end, limits, side)) return ParseStatus::refused;
        continue;
      }
    } else if (end - name_end >= 2 && name_end == begin && name_end[0] == '\r' && name_end[1] == '\n') {
      head_bytes_ = scanned_ + 2;
      return ParseStatus::complete;
    }
    const ParseStatus status = read_odd_line(bytes, limits, side);
    if (status != ParseStatus::complete) return status;
  }
}

// `complete` here: the line was dealt with, go on with the next.
ParseStatus H1Parser::read_odd_line(std::string_view bytes, const HeadLimits& limits, Side side) {
  std::size_t line_end = 0;
  const ParseStatus status = find_line_end(bytes, limits, 431, line_end);
  if (status != ParseStatus::complete) return status;
  const std::size_t begin = scanned_;
  // RFC 9112 §2.2 lets a recipient take a bare LF for a line end; what stands before us may not, so we do not.
  if (line_end == begin || bytes[line_end - 1] != '\r') return refuse(400, "bare LF");
  const std::string_view line = bytes.substr(begin, line_end - 1 - begin);
  if (line.starts_with(' ') || line.starts_with('\t')) {
    // RFC 9112 §2.2 and §5.2: neither white space before the first field nor line folding.
    return refuse(400, field_count_ == 0 ? "white space before the first field" : "folded header line");
  }
  std::size_t name_end = 0;
  if (const std::string_view fault = fault_of_field(line, name_end); !fault.empty()) return refuse(400, fault);
  const std::string_view name = line.substr(0, name_end);
  const auto is_kept = [&](char c) { return is_char(c, char_simple_name) || (c == '_' && limits.underscores_allowed); };
  if (side == Side::request && !std::ranges::all_of(name, is_kept)) {
    // Dropped: no HeaderLine covers these bytes, so no run of lines copies them (Content_Length, Transfer.Encoding).
    if (!count_field(limits)) return ParseStatus::refused;
    scanned_ = offset(line_end + 1);
    return ParseStatus::complete;
  }
  const bool taken = add_field(bytes, line.data(), line.data() + name_end, line.data() + line.size(), limits, side);
  return taken ? ParseStatus::complete : ParseStatus::refused;
}

// Remembers where the fields are that framing and routing need. Two of them are two answers to one question, even if
// they are equal now: refused.
bool H1Parser::note(Field field, Side side) {
  const auto place = static_cast<std::uint8_t>(line_count_);
  const auto only_once = [&](std::uint8_t& slot, std::string_view reason) {
    if (slot != 0) return reject(400, reason);
    slot = place;
    return true;
  };
  switch (field) {
    case Field::content_length:
      return only_once(places_.content_length, "two Content-Length fields");
    case Field::transfer_encoding:
      return only_once(places_.transfer_encoding, "two Transfer-Encoding fields");
    case Field::host:
      return side == Side::response || only_once(places_.host, "two Host fields");
    case Field::expect:
      return side == Side::response || only_once(places_.expect, "two Expect fields");
    case Field::connection:
      if (places_.connection == 0) places_.connection = place;
      return true;
    case Field::upgrade:
      if (places_.upgrade == 0) places_.upgrade = place;
      return true;
    default:
      return true;
  }
}

// RFC 9112 §6.3, without its leniencies.
bool H1Parser::read_framing(std::uint8_t version_minor, Framing& framing) {
  if (places_.transfer_encoding != 0) {
    // Rule 3 of §6.3 would let Transfer-Encoding win; it "ought to be handled as an error", and is.
    if (places_.content_length != 0) return reject(400, "Content-Length together with Transfer-Encoding");
    // §6.1: a server that gets Transfer-Encoding in HTTP/1.0 MUST treat the message as if its framing is faulty.
    if (version_minor == 0) return reject(400, "Transfer-Encoding in HTTP/1.0");
    const std::string_view coding = value_of(places_.transfer_encoding);
    if (!is_token(coding)) return reject(400, "invalid Transfer-Encoding");
    if (!is_plain_value(lines_[places_.transfer_encoding - 1U])) {
      return reject(400, "white space around Transfer-Encoding");
    }
    if (!equals_ignoring_case(coding, "chunked")) return reject(501, "unknown transfer coding");
    framing.body = BodyFraming::chunked;
  } else if (places_.content_length != 0) {
    // §6.2: 1*DIGIT. Lists of equal numbers, signs and the empty value are refused; so is what a signed 64-bit offset
    // cannot hold.
    const auto length = parse_unsigned<std::uint64_t>(value_of(places_.content_length));
    if (!length || *length > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      return reject(400, "invalid Content-Length");
    }
    framing = {BodyFraming::content_length, true, *length};
  }
  return true;
}

// RFC 9110 §7.6.1: all Connection fields together are one list of tokens; empty elements are allowed (§5.6.1.2).
bool H1Parser::read_connection(ConnectionOptions& options) {
  if (places_.connection == 0) return true;
  const auto read_option = [&](std::string_view option) {
    if (equals_ignoring_case(option, "keep-alive")) {
      options.keep_alive = true;
    } else if (equals_ignoring_case(option, "close")) {
      options.close = true;
    } else if (equals_ignoring_case(option, "upgrade")) {
      options.upgrade = true;
    } else if (is_token(option)) {
      options.others = true;
    } else if (!option.empty()) {
      return reject(400, "invalid Connection option");
    }
    return true;
  };
  for (std::uint32_t i = places_.connection - 1U; i < line_count_; ++i) {
    if (lines_[i].field != Field::connection) continue;
    std::string_view list = lines_[i].value;
    while (true) {
      const std::size_t comma = list.find(',');
      if (!read_option(trim(list.substr(0, comma)))) return false;
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  return true;
}

}  // namespace keepgate::http

// What the tests of the two HTTP/1 parsers share: parsing in pieces and in moving buffers, heads as comparable text.
//
// For tests only. Every buffer has exactly the size of its bytes, so that a sanitizer sees a read past the end.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "http/h1_parser.h"

namespace keepgate::http::test {

using namespace std::string_literals;  // NOLINT: "\0"s.

// One row of a table: bytes that must be refused, and a sibling that differs in one fact and must be accepted.
struct Row {
  std::string_view what;
  std::uint16_t status;
  std::string bad;
  std::string good;
};

inline std::string summary(std::span<const HeaderLine> headers) {
  std::string out;
  for (const HeaderLine& line : headers) {
    append(out, line.name, "|", line.value, "|", line.raw, "|", static_cast<int>(line.field), "\n");
  }
  return out;
}

inline std::string summary(const RequestHead& head) {
  return cat(static_cast<int>(head.method), "|", head.method_text, "|", head.target, "|", head.raw_path, "|",
             head.query, "|", int{head.has_query}, "|", head.authority, "|", head.host, "|", int{head.version_minor},
             "|", static_cast<int>(head.framing), "|", head.content_length, "|", int{head.keep_alive},
             int{head.expect_continue}, int{head.upgrade}, int{head.names_hop_fields}, "\n", summary(head.headers));
}

inline std::string summary(const ResponseHead& head) {
  return cat(head.status, "|", head.reason, "|", int{head.version_minor}, "|", static_cast<int>(head.framing), "|",
             head.content_length, "|", int{head.has_content_length}, int{head.keep_alive}, int{head.names_hop_fields},
             "\n", summary(head.headers));
}

struct Outcome {
  ParseStatus status = ParseStatus::need_more;
  std::string text;  // Of the refusal or of the head.
  std::size_t head_bytes = 0;
  bool operator==(const Outcome&) const = default;
};

inline ParseStatus parse_bytes(RequestParser& parser, std::string_view bytes, Method) { return parser.parse(bytes); }
inline ParseStatus parse_bytes(ResponseParser& parser, std::string_view bytes, Method method) {
  return parser.parse(bytes, method);
}

// Parses prefixes of `bytes` that end at `cuts`, then all of it, each in a buffer of its own that dies afterwards.
template <typename Parser>
Outcome parse_in_pieces(std::string_view bytes, const std::vector<std::size_t>& cuts, const HeadLimits& limits = {},
                        Method method = Method::get) {
  const auto parser = std::make_unique<Parser>(limits);
  std::unique_ptr<char[]> kept;
  const auto step = [&](std::size_t size) {
    auto buffer = std::make_unique<char[]>(size);
    bytes.copy(buffer.get(), size);
    const ParseStatus status = parse_bytes(*parser, {buffer.get(), size}, method);
    kept = std::move(buffer);  // The one before is gone: nobody may have kept views into it.
    return status;
  };
  ParseStatus status = ParseStatus::need_more;
  for (const std::size_t cut : cuts) {
    if (status == ParseStatus::need_more) status = step(cut);
  }
  if (status == ParseStatus::need_more) status = step(bytes.size());
  Outcome outcome;
  outcome.status = status;
  if (status == ParseStatus::refused) outcome.text = cat(parser->refusal().status, " ", parser->refusal().reason);
  if (status == ParseStatus::complete) {
    outcome.text = summary(parser->head());
    outcome.head_bytes = parser->head_bytes();
  }
  return outcome;
}

template <typename Parser>
Outcome parse_whole(std::string_view bytes, const HeadLimits& limits = {}, Method method = Method::get) {
  return parse_in_pieces<Parser>(bytes, {}, limits, method);
}

// The first cut that changes the result, or npos: two pieces at every offset, then one byte at a time.
template <typename Parser>
std::size_t first_cut_that_matters(std::string_view bytes, const HeadLimits& limits = {}) {
  const Outcome whole = parse_whole<Parser>(bytes, limits);
  std::vector<std::size_t> every;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    every.push_back(cut);
    if (!(parse_in_pieces<Parser>(bytes, {cut}, limits) == whole)) return cut;
  }
  return parse_in_pieces<Parser>(bytes, every, limits) == whole ? std::string_view::npos : bytes.size();
}

}  // namespace keepgate::http::test

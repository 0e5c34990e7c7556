// One spelling of a path: percent-decoding, dot segments, double slashes; and which spellings were ambiguous.
//
// Everything that decides or routes works on CanonicalPath; what is forwarded where a policy decides is its encoding.
// Thread rule: pure functions. Sources: RFC 3986 §5.2.4, §6.2.2; nginx's normalisation (design: nginx-semantics §5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"

namespace keepgate::http {

// The path exactly as the client sent it, without query.
struct RawPath {
  std::string_view text;
};

// Percent-decoded, dot segments resolved, slashes merged (if asked). Starts with '/'. May hold any byte but NUL.
struct CanonicalPath {
  std::string_view text;
};

// Spellings that two programs may read differently. Where a policy decides, any of them is refused with 400.
enum class Ambiguity : std::uint16_t {
  none = 0,
  encoded_slash = 1 << 0,          // %2f
  backslash = 1 << 1,              // '\' or %5c
  double_encoding = 1 << 2,        // A '%' that is left after decoding (%25…).
  path_parameter = 1 << 3,         // ';' or %3b, "..;" among them.
  double_slash = 1 << 4,           // "//"
  encoded_dot_segment = 1 << 5,    // %2e as part of a "." or ".." segment.
  control_byte = 1 << 6,           // 0x01–0x1f, 0x7f, encoded.
  invalid_utf8 = 1 << 7,           // Overlong forms and stray bytes among them.
  question_or_hash = 1 << 8,       // %3f, %23: a '?' or '#' inside the path after decoding.
  trailing_dot_or_space = 1 << 9,  // A segment that ends in '.', ' ' or TAB (but "." and ".." themselves).
};

struct Canonicalized {
  bool valid = false;  // false: 400. Bad percent-encoding, %00, a path above the root, or not starting with '/'.
  CanonicalPath path;  // In the arena, or a view of the raw path where nothing had to change.
  std::uint16_t ambiguities = 0;  // Bits of Ambiguity.
  std::string_view reason;        // A literal for the log when invalid.
};

Canonicalized canonicalize(RawPath raw, bool merge_slashes, Arena& arena);

// "encoded slash, backslash": for logs and explain.
std::string describe_ambiguities(std::uint16_t ambiguities);

// Percent-encodes what cannot stand in a path of a request line (space, controls, '%', '?', '#', '"', '<', '>', '\',
// '^', '`', '{', '|', '}', bytes ≥ 0x80). A view of the input where nothing has to change.
std::string_view encode_path(std::string_view decoded, Arena& arena);

// Value of the first NAME=VALUE in a query string, not decoded (nginx $arg_NAME; names compare without case).
std::string_view query_argument(std::string_view query, std::string_view name);
// Value of a cookie (nginx $cookie_NAME).
std::string_view cookie_value(std::string_view cookie_header, std::string_view name);

}  // namespace keepgate::http

#include "http/uri.h"

#include <array>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::http {

namespace {

// What canonicalize() must look at more closely than to copy it.
enum PathClass : std::uint8_t { path_plain = 0, path_slash, path_dot, path_odd };

consteval std::array<std::uint8_t, 256> make_path_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0; c < 256; ++c) classes[c] = c <= 0x20 || c >= 0x7f ? path_odd : path_plain;
  for (const char c : {'%', '\\', ';', '?', '#'}) classes[static_cast<unsigned char>(c)] = path_odd;
  classes['/'] = path_slash;
  classes['.'] = path_dot;
  return classes;
}
constexpr std::array<std::uint8_t, 256> path_classes = make_path_classes();

// Is every segment plain: nothing to decode or flag, no dot at either end, no empty segment but the last?
bool is_canonical(std::string_view path) {
  std::uint8_t before = path_plain;
  for (const char c : path) {
    const std::uint8_t now = path_classes[static_cast<unsigned char>(c)];
    if (now != path_plain) {
      if (now == path_odd || (before == path_slash && now != path_plain) || (before == path_dot && now == path_slash)) {
        return false;
      }
    }
    before = now;
  }
  return before != path_dot;
}

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  while (at < text.size()) {
    const unsigned first = byte(at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    // RFC 3629 §4: overlong forms, surrogates and what lies above U+10FFFF are excluded by the second byte.
    const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                               : (first & 0xf0) == 0xe0         ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (length == 0 || byte(at + 1) < low || byte(at + 1) > high) return false;
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xc0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

// Decodes byte by byte into a buffer as long as the input; resolves each segment when it ends, as nginx does: a decoded
// slash ends a segment, a decoded dot counts for "." and "..".
class Canonicalizer {
 public:
  Canonicalizer(char* out, bool merge_slashes) : out_(out), merge_slashes_(merge_slashes) {}

  // A literal if the path is invalid.
  std::string_view run(std::string_view raw) {
    put('/');
    segment_ = size_;
    for (std::size_t at = 1; at < raw.size(); ++at) {
      char c = raw[at];
      const bool encoded = c == '%';
      if (encoded) {
        const int high = at + 2 < raw.size() ? hex_value(raw[at + 1]) : -1;
        const int low = at + 2 < raw.size() ? hex_value(raw[at + 2]) : -1;
        if (high < 0 || low < 0) return "invalid percent-encoding in the path";
        c = static_cast<char>(high << 4 | low);
        at += 2;
      }
      if (c == '\0') return "NUL in the path";
      if (c == '/') {
        if (encoded) flag(Ambiguity::encoded_slash);
        if (!end_segment(true)) return "path above the root";
      } else {
        note(c, encoded);
        put(c);
      }
    }
    return end_segment(false) ? std::string_view{} : "path above the root";
  }

  std::string_view text() const { return {out_, size_}; }
  std::uint16_t ambiguities() const { return ambiguities_; }

 private:
  void put(char c) { out_[size_++] = c; }
  void flag(Ambiguity one) { ambiguities_ = static_cast<std::uint16_t>(ambiguities_ | static_cast<unsigned>(one)); }

  void note(char c, bool encoded) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) has_high_bytes_ = true;
    if (byte < 0x20 || byte == 0x7f) flag(Ambiguity::control_byte);
    if (c == '\\') flag(Ambiguity::backslash);
    if (c == '%') flag(Ambiguity::double_encoding);
    if (c == ';') flag(Ambiguity::path_parameter);
    if (c == '?' || c == '#') flag(Ambiguity::question_or_hash);
    if (c == '.' && encoded) has_encoded_dot_ = true;
  }

  bool end_segment(bool at_slash) {
    const std::string_view segment(out_ + segment_, size_ - segment_);
    const bool is_dots = segment == "." || segment == "..";
    if (is_dots) {
      if (has_encoded_dot_) flag(Ambiguity::encoded_dot_segment);
      if (segment == ".") {
        size_ = segment_;
      } else if (!remove_parent()) {
        return false;
      }
    } else if (segment.empty()) {
      if (at_slash) {
        flag(Ambiguity::double_slash);
        if (!merge_slashes_) put('/');
      }
    } else {
      const char last = segment.back();
      if (last == '.' || last == ' ' || last == '\t') flag(Ambiguity::trailing_dot_or_space);
      if (has_high_bytes_ && !is_utf8(segment)) flag(Ambiguity::invalid_utf8);
      if (at_slash) put('/');
    }
    segment_ = size_;
    has_high_bytes_ = has_encoded_dot_ = false;
    return true;
  }

  // Back to just after the slash before the parent segment. Each byte is taken back at most once: linear.
  bool remove_parent() {
    if (segment_ < 2) return false;
    size_ = segment_ - 1;
    while (out_[size_ - 1] != '/') --size_;
    return true;
  }

  char* const out_;
  const bool merge_slashes_;
  std::size_t size_ = 0;
  std::size_t segment_ = 0;  // Where the current segment starts; a '/' stands before it.
  bool has_high_bytes_ = false;
  bool has_encoded_dot_ = false;
  std::uint16_t ambiguities_ = 0;
};

constexpr std::string_view ambiguity_names[] = {
    "encoded slash",       "backslash",    "double encoding", "path parameter",         "double slash",
    "encoded dot segment", "control byte", "invalid UTF-8",   "'?' or '#' in the path", "trailing dot or space"};

consteval std::array<bool, 256> make_encoded() {
  std::array<bool, 256> encoded{};
  for (unsigned c = 0; c < 256; ++c) encoded[c] = c <= 0x20 || c >= 0x7f;
  for (const char c : {'%', '?', '#', '"', '<', '>', '\\', '^', '`', '{', '|', '}'}) {
    encoded[static_cast<unsigned char>(c)] = true;
  }
  return encoded;
}
constexpr std::array<bool, 256> is_encoded = make_encoded();

}  // namespace

Canonicalized canonicalize(RawPath raw, bool merge_slashes, Arena& arena) {
  Canonicalized result;
  if (!raw.text.starts_with('/')) {
    result.reason = "path without a leading slash";
    return result;
  }
  if (is_canonical(raw.text)) {
    result.valid = true;
    result.path.text = raw.text;
    return result;
  }
  Canonicalizer canonicalizer(arena.allocate(raw.text.size()), merge_slashes);
  result.reason = canonicalizer.run(raw.text);
  result.ambiguities = canonicalizer.ambiguities();
  if (!result.reason.empty()) return result;
  result.valid = true;
  result.path.text = canonicalizer.text() == raw.text ? raw.text : canonicalizer.text();
  return result;
}

std::string describe_ambiguities(std::uint16_t ambiguities) {
  std::string out;
  for (unsigned bit = 0; bit < std::size(ambiguity_names); ++bit) {
    if ((ambiguities >> bit & 1) == 0) continue;
    append(out, out.empty() ? "" : ", ", ambiguity_names[bit]);
  }
  return out;
}

std::string_view encode_path(std::string_view decoded, Arena& arena) {
  std::size_t more = 0;
  for (const char c : decoded) more += is_encoded[static_cast<unsigned char>(c)] ? 2 : 0;
  if (more == 0) return decoded;
  constexpr char digits[] = "0123456789ABCDEF";  // RFC 3986 §2.1: capitals.
  char* const start = arena.allocate(decoded.size() + more);
  char* at = start;
  for (const char c : decoded) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_encoded[byte]) {
      *at++ = '%';
      *at++ = digits[byte >> 4];
      *at++ = digits[byte & 15];
    } else {
      *at++ = c;
    }
  }
  return {start, decoded.size() + more};
}

std::string_view query_argument(std::string_view query, std::string_view name) {
  if (name.empty()) return {};
  while (true) {
    const std::size_t ampersand = query.find('&');
    const std::string_view argument = query.substr(0, ampersand);
    if (argument.size() > name.size() && argument[name.size()] == '=' &&
        equals_ignoring_case(argument.substr(0, name.size()), name)) {
      return argument.substr(name.size() + 1);
    }
    if (ampersand == std::string_view::npos) return {};
    query.remove_prefix(ampersand + 1);
  }
}

// As nginx reads cookies: names without case, blanks around '=' allowed, ',' ends a cookie of another name but not the
// value of this one.
std::string_view cookie_value(std::string_view cookie_header, std::string_view name) {
  if (name.empty()) return {};
  const auto skip_blanks = [&] {
    while (cookie_header.starts_with(' ')) cookie_header.remove_prefix(1);
  };
  while (!cookie_header.empty()) {
    if (equals_ignoring_case(cookie_header.substr(0, name.size()), name)) {
      cookie_header.remove_prefix(name.size());
      skip_blanks();
      if (cookie_header.starts_with('=')) {
        cookie_header.remove_prefix(1);
        skip_blanks();
        return cookie_header.substr(0, cookie_header.find(';'));
      }
    }
    const std::size_t separator = cookie_header.find_first_of(";,");
    if (separator == std::string_view::npos) return {};
    cookie_header.remove_prefix(separator + 1);
    skip_blanks();
  }
  return {};
}

}  // namespace keepgate::http

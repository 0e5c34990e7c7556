// rooms: http base
// Paths: the canonical form is one form (encoding it and reading it again changes nothing), holds no dot segments, and
// agrees with a decoder that is written for being read only.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "http/uri.h"

namespace {

using namespace keepgate;
using http::Ambiguity;
using http::Canonicalized;

std::optional<std::string> decode(std::string_view raw) {
  std::string out;
  for (std::size_t at = 0; at < raw.size(); ++at) {
    if (raw[at] != '%') {
      out += raw[at];
      continue;
    }
    if (at + 2 >= raw.size() || hex_value(raw[at + 1]) < 0 || hex_value(raw[at + 2]) < 0) return std::nullopt;
    out += static_cast<char>(hex_value(raw[at + 1]) * 16 + hex_value(raw[at + 2]));
    at += 2;
  }
  return out;
}

std::optional<std::string> expected(std::string_view raw, bool merge_slashes) {
  const std::optional<std::string> decoded = decode(raw);
  if (!raw.starts_with('/') || !decoded || decoded->find('\0') != std::string::npos) return std::nullopt;
  std::vector<std::string> segments;
  std::size_t at = 1;
  while (true) {
    const std::size_t slash = decoded->find('/', at);
    const bool last = slash == std::string::npos;
    const std::string segment = decoded->substr(at, last ? slash : slash - at);
    if (segment == "..") {
      if (segments.empty()) return std::nullopt;
      segments.pop_back();
    }
    const bool is_dots = segment == "." || segment == "..";
    if (last) {
      segments.push_back(is_dots ? "" : segment);
      break;
    }
    if (!is_dots && !(segment.empty() && merge_slashes)) segments.push_back(segment);
    at = slash + 1;
  }
  std::string out;
  for (const std::string& segment : segments) append(out, '/', segment);
  return out;
}

void check(std::string_view raw, bool merge_slashes) {
  Arena arena;
  const Canonicalized result = http::canonicalize({raw}, merge_slashes, arena);
  const std::optional<std::string> wanted = expected(raw, merge_slashes);
  KG_ASSERT(result.valid == wanted.has_value());
  KG_ASSERT(result.valid == result.reason.empty());
  if (!result.valid) return;
  const std::string_view path = result.path.text;
  KG_ASSERT(path == *wanted);
  KG_ASSERT(path.size() <= raw.size());
  KG_ASSERT(path != raw || path.data() == raw.data());
  KG_ASSERT((cat(path, '/').find("/../") == std::string::npos) && (cat(path, '/').find("/./") == std::string::npos));
  const std::string_view encoded = http::encode_path(path, arena);
  for (const char c : encoded) KG_ASSERT(c > 0x20 && c < 0x7f && c != '?' && c != '#');
  const Canonicalized again = http::canonicalize({encoded}, merge_slashes, arena);
  KG_ASSERT(again.valid && again.path.text == path);
  // What the encoding shows is a part of what the raw path showed: a second reader finds nothing new.
  KG_ASSERT((again.ambiguities & ~result.ambiguities) == 0);
  KG_ASSERT(http::describe_ambiguities(result.ambiguities).empty() == (result.ambiguities == 0));
}

void check_lookups(std::string_view text, std::string_view name) {
  for (const std::string_view found : {http::query_argument(text, name), http::cookie_value(text, name)}) {
    KG_ASSERT(found.empty() ||
              (found.data() >= text.data() && found.data() + found.size() <= text.data() + text.size()));
  }
  KG_ASSERT(http::query_argument(text, name).find('&') == std::string_view::npos);
  KG_ASSERT(http::cookie_value(text, name).find(';') == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text, true);
  check(text, false);
  check("/" + text, true);
  check_lookups(text, "a");
  check_lookups(std::string_view(text).substr(size / 8), std::string_view(text).substr(0, size / 8));
  return 0;
}

// What the two targets for HTTP/1 heads share: input in exactly sized buffers, and the checks on an accepted head.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/h1_parser.h"

namespace keepgate::fuzz {

// Ends where the bytes end, so that a read past them is seen.
class Buffer {
 public:
  explicit Buffer(std::string_view bytes) : bytes_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }
  bool holds(std::string_view part) const {
    return part.empty() || (part.data() >= bytes_.get() && part.data() + part.size() <= bytes_.get() + size_);
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

inline http::HeadLimits limits_from(std::uint8_t choice) {
  http::HeadLimits limits;
  limits.underscores_allowed = (choice & 1) != 0;
  if ((choice & 2) != 0) limits.line_bytes_max = 64;
  if ((choice & 4) != 0) limits.head_bytes_max = 128;
  if ((choice & 8) != 0) limits.headers_max = 3;
  return limits;
}

inline bool same(std::span<const http::HeaderLine> a, std::span<const http::HeaderLine> b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].value != b[i].value || a[i].raw != b[i].raw || a[i].field != b[i].field) {
      return false;
    }
  }
  return true;
}

// Every line is inside the buffer, well-formed by the slow definition, and reads back as what it says.
inline void check_lines(const Buffer& buffer, std::span<const http::HeaderLine> lines) {
  const char* before = buffer.view().data();
  for (const http::HeaderLine& line : lines) {
    KG_ASSERT(buffer.holds(line.raw) && buffer.holds(line.name) && buffer.holds(line.value));
    KG_ASSERT(line.raw.data() >= before);
    before = line.raw.data() + line.raw.size();
    KG_ASSERT(line.raw.starts_with(line.name) && line.raw[line.name.size()] == ':' && line.raw.ends_with("\r\n"));
    KG_ASSERT(http::is_token(line.name));
    KG_ASSERT(line.field == http::field_of(line.name));
    const std::string_view inside = line.raw.substr(0, line.raw.size() - 2);
    for (const char c : inside) KG_ASSERT((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t');
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    KG_ASSERT(line.value.empty() || (!is_blank(line.value.front()) && !is_blank(line.value.back())));
  }
}

inline std::string serialize(std::string_view start_line, std::span<const http::HeaderLine> lines) {
  std::string out(start_line);
  for (const http::HeaderLine& line : lines) out.append(line.name).append(": ").append(line.value).append("\r\n");
  return out + "\r\n";
}

// The same names, values and kinds; the raw lines differ in white space.
inline bool same_meaning(std::span<const http::HeaderLine> a, std::span<const http::HeaderLine> b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].value != b[i].value || a[i].field != b[i].field) return false;
  }
  return true;
}

}  // namespace keepgate::fuzz

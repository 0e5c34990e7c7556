// log_format: one line per request from a template, with nginx's escaping (default, json, none).
// Thread rule: immutable after compilation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "route/template.h"

namespace keepgate::logs {

enum class Escape : std::uint8_t { standard = 0 /* nginx "default": \xHH, "-" for empty */, json, none };

struct AccessFormat {
  std::string name;
  Escape escape = Escape::standard;
  route::Template line;
};

// nginx's predefined "combined".
extern const std::string_view combined_format;

// Appends the line and '\n' to `out`.
void format_access_line(const AccessFormat& format, route::VariableSource& source, Arena& arena, std::string& out);

}  // namespace keepgate::logs

#include "logs/access_format.h"

#include <array>

#include "base/bytes.h"

namespace keepgate::logs {

constinit const std::string_view combined_format =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" "
    "\"$http_user_agent\"";

namespace {

constexpr char hex_digits[] = "0123456789ABCDEF";

// nginx's table for escape=default: quotation mark, backslash, control bytes and everything above '~'.
constexpr std::array<bool, 256> needs_escape = [] {
  std::array<bool, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    table[byte] = byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\';
  }
  return table;
}();

void append_standard(std::string& out, std::string_view value) {
  if (value.empty()) {
    out.push_back('-');
    return;
  }
  std::size_t clean = 0;  // Start of the run of bytes that are copied as they are.
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<unsigned char>(value[i]);
    if (!needs_escape[byte]) continue;
    out.append(value, clean, i - clean);
    const char escaped[] = {'\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 15]};
    out.append(escaped, sizeof escaped);
    clean = i + 1;
  }
  out.append(value, clean);
}

void append_json_control(std::string& out, unsigned char byte) {
  out.push_back('\\');
  switch (byte) {
    case '\n':
      out.push_back('n');
      return;
    case '\r':
      out.push_back('r');
      return;
    case '\t':
      out.push_back('t');
      return;
    case '\b':
      out.push_back('b');
      return;
    case '\f':
      out.push_back('f');
      return;
    default:
      append(out, "u00", hex_digits[byte >> 4], hex_digits[byte & 15]);
  }
}

// nginx's forms for control bytes. Invalid UTF-8, which nginx copies, becomes U+FFFD: a line must stay JSON whatever a
// client sends, or one header would hide a request from whoever parses the log.
void append_json(std::string& out, std::string_view value) {
  while (!value.empty()) {
    std::size_t run = 0;
    while (run < value.size() && static_cast<unsigned char>(value[run]) >= 0x20) ++run;
    append_json_escaped(out, value.substr(0, run));
    if (run == value.size()) return;
    append_json_control(out, static_cast<unsigned char>(value[run]));
    value.remove_prefix(run + 1);
  }
}

void append_value(std::string& out, std::string_view value, Escape escape) {
  switch (escape) {
    case Escape::standard:
      append_standard(out, value);
      return;
    case Escape::json:
      append_json(out, value);
      return;
    case Escape::none:
      out.append(value);
      return;
  }
}

}  // namespace

void format_access_line(const AccessFormat& format, route::VariableSource& source, Arena& /*arena*/, std::string& out) {
  for (const route::Template::Part& part : format.line.parts()) {
    if (part.is_variable()) {
      append_value(out, source.variable(part.reference), format.escape);
    } else {
      out.append(part.literal);
    }
  }
  out.push_back('\n');
}

}  // namespace keepgate::logs

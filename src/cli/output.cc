#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/bytes.h"
#include "cli/command.h"

namespace keepgate::cli {

namespace {

using crypto::Json;

void append_pretty(std::string& out, const Json& value, std::size_t depth) {
  const Json::Object* members = value.object();
  const Json::Array* elements = value.array();
  if ((!members || members->empty()) && (!elements || elements->empty())) return value.write_to(out);
  const std::string inner((depth + 1) * 2, ' ');
  out.append(members ? "{\n" : "[\n");
  const std::size_t count = members ? members->size() : elements->size();
  for (std::size_t i = 0; i < count; ++i) {
    out.append(inner);
    if (members) {
      Json((*members)[i].first).write_to(out);
      out.append(": ");
    }
    append_pretty(out, members ? (*members)[i].second : (*elements)[i], depth + 1);
    out.append(i + 1 < count ? ",\n" : "\n");
  }
  append(out, std::string(depth * 2, ' '), members ? '}' : ']');
}

bool colours_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term && std::string_view(term) == "dumb";
  return !(no_color && *no_color) && !dumb && ::isatty(STDOUT_FILENO) == 1;
}

}  // namespace

int print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return exit_ok;
  say("keepgate: standard output cannot be written");
  return exit_failure;
}

void say(std::string_view line) {
  // There is nobody to tell when standard error is gone.
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
  static_cast<void>(std::fputc('\n', stderr));
}

void complain(std::string_view verb, std::string_view message) { say(cat("keepgate ", verb, ": ", message)); }

int failed(std::string_view verb, std::string_view why, int code) {
  complain(verb, why);
  return code;
}

std::string joined(const std::vector<std::string>& texts, char separator) {
  std::string out;
  for (const std::string& text : texts) {
    if (!out.empty()) out.push_back(separator);
    out += text;
  }
  return out;
}

std::string pretty(const Json& value) {
  std::string out;
  append_pretty(out, value, 0);
  out.push_back('\n');
  return out;
}

// Characters, not bytes: a continuation byte of UTF-8 takes no column.
std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {  // A colour of ours: up to the 'm'.
      i = std::min(text.find('m', i), text.size());
      continue;
    }
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) ++width;
  }
  return width;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (row.size() > widths.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      append(line, row[i], std::string(widths[i] - display_width(row[i]) + 2, ' '));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    append(out, line, "\n");
  }
  return out;
}

std::string painted(Colour colour, std::string_view text) {
  static const bool wanted = colours_wanted();
  constexpr std::string_view codes[] = {"0", "31", "32", "33", "2", "1"};
  if (!wanted || colour == Colour::none) return std::string(text);
  return cat("\x1b[", codes[static_cast<std::size_t>(colour)], 'm', text, "\x1b[0m");
}

std::string utc_time(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[64];
  if (!::gmtime_r(&time, &parts)) return cat(seconds);
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return size == 0 ? cat(seconds) : std::string(text, size);
}

std::string relative_time(std::int64_t seconds, std::int64_t now_seconds) {
  struct Unit {
    std::int64_t seconds;
    std::string_view name;
  };
  constexpr Unit units[] = {{std::int64_t{365} * 86400, "year"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}};
  std::int64_t distance = 0;
  if (__builtin_sub_overflow(seconds, now_seconds, &distance) || distance == INT64_MIN) return "far away";
  if (distance == 0) return "now";
  const std::int64_t length = distance < 0 ? -distance : distance;
  Unit unit{1, "second"};
  for (const Unit& one : units) {
    if (length < 2 * one.seconds) continue;
    unit = one;
    break;
  }
  const std::int64_t count = length / unit.seconds;
  const std::string text = cat(count, ' ', unit.name, count == 1 ? "" : "s");
  return distance > 0 ? cat("in ", text) : cat(text, " ago");
}

JsonObject& JsonObject::add(std::string_view name, Json value) {
  members_.emplace_back(std::string(name), std::move(value));
  return *this;
}

}  // namespace keepgate::cli

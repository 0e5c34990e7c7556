#include "base/diagnostics.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate {

namespace {

std::string_view name_of(Severity severity) { return severity == Severity::error ? "error" : "warning"; }

void append_place(std::string& out, const SourcePlace& place) {
  append(out, "  --> ", place.file);
  if (place.line > 0) append(out, ':', place.line);
  if (place.column > 0) append(out, ':', place.column);
  out.push_back('\n');
  if (place.text.empty() || place.line == 0) return;
  const std::string number = cat(place.line);
  const std::string margin(number.size(), ' ');
  append(out, ' ', margin, " |\n ", number, " | ", place.text, "\n");
  if (place.column == 0) return;
  append(out, ' ', margin, " | ");
  // Tabs are kept so that the caret stands below its word whatever the terminal's tab width.
  for (std::size_t i = 0; i + 1 < place.column && i < place.text.size(); ++i) {
    out.push_back(place.text[i] == '\t' ? '\t' : ' ');
  }
  append(out, std::string(std::max<std::uint32_t>(place.length, 1), '^'), "\n");
}

// Optimal string alignment distance, bounded by small inputs (names of directives).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        next[j] = std::min(next[j], before[j - 2] + 1);
      }
    }
    before = row;
    row = next;
  }
  return row[b.size()];
}

}  // namespace

void Diagnostics::error(std::string_view code, std::string message, SourcePlace place, std::string help) {
  ++errors_;
  all_.push_back({Severity::error, std::string(code), std::move(message), std::move(place), std::move(help)});
}

void Diagnostics::warning(std::string_view code, std::string message, SourcePlace place, std::string help) {
  all_.push_back({Severity::warning, std::string(code), std::move(message), std::move(place), std::move(help)});
}

std::string Diagnostics::render_text() const {
  std::string out;
  for (const Diagnostic& one : all_) {
    append(out, name_of(one.severity), '[', one.code, "]: ", one.message, "\n");
    if (!one.place.file.empty()) append_place(out, one.place);
    if (!one.help.empty()) append(out, "  help: ", one.help, "\n");
  }
  return out;
}

std::string Diagnostics::render_line() const {
  std::string out;
  for (const Diagnostic& one : all_) {
    append(out, out.empty() ? "" : "; ", name_of(one.severity), '[', one.code, "]: ", one.message);
    if (!one.place.file.empty()) append(out, " (", one.place.file, ':', one.place.line, ')');
  }
  return out;
}

std::string Diagnostics::render_json() const {
  std::string out = "[";
  const auto member = [&](std::string_view name, std::string_view value) {
    append(out, '"', name, "\":\"");
    append_json_escaped(out, value);
    out += "\",";
  };
  for (const Diagnostic& one : all_) {
    out += out.size() > 1 ? ",{" : "{";
    member("severity", name_of(one.severity));
    member("code", one.code);
    member("message", one.message);
    member("file", one.place.file);
    member("help", one.help);
    append(out, "\"line\":", one.place.line, ",\"column\":", one.place.column, "}");
  }
  return out + "]";
}

std::string_view closest_match(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > word.size() + 3 || word.size() > candidate.size() + 3) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace keepgate

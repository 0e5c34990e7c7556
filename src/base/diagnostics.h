// Diagnostics: every complaint about a configuration, policy or key file, collected, each with its place and a help
// line.
//
// Nothing half-loads: a reader reports all it can find and the caller refuses the whole when has_errors().
// Thread rule: one owner. Lines and columns count from 1; a column counts bytes; 0 means unknown.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keepgate {

enum class Severity : std::uint8_t { error = 0, warning };

struct SourcePlace {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 1;  // How many bytes the caret line underlines.
  std::string text;          // The source line itself, without its newline; may be empty.
};

struct Diagnostic {
  Severity severity = Severity::error;
  std::string code;     // "KG012"; stable, one per kind of complaint.
  std::string message;  // One sentence without a full stop: unknown directive 'proxy_pas'
  SourcePlace place;
  std::string help;  // May be empty: did you mean 'proxy_pass'?
};

class Diagnostics {
 public:
  void error(std::string_view code, std::string message, SourcePlace place = {}, std::string help = {});
  void warning(std::string_view code, std::string message, SourcePlace place = {}, std::string help = {});

  bool has_errors() const { return errors_ > 0; }
  std::size_t error_count() const { return errors_; }
  const std::vector<Diagnostic>& all() const { return all_; }

  // For people: `error[KG012]: message`, `  --> file:line:column`, the line, a caret line, `help: …`.
  std::string render_text() const;
  // For logs: `error[KG012]: message (file:line); …` on one line, without the source, which may hold a secret.
  std::string render_line() const;
  // For programs: a JSON array of objects with severity, code, message, file, line, column, help.
  std::string render_json() const;

 private:
  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
};

// The candidate closest to `word` by edit distance (transpositions count one), if close enough to be a likely slip.
std::string_view closest_match(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace keepgate

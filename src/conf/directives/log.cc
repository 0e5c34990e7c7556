// error_log, access_log, log_format.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

bool is_special_target(std::string_view path) { return path.starts_with("syslog:") || path.starts_with("memory:"); }

void set_error_log(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& path = directive.arguments[0];
  MainModel& main = reader.model().main;
  if (is_special_target(path.text)) {
    return reader.not_built(path, cat("logging to '", printable(path.text), "'"), "name a file or stderr");
  }
  std::optional<LogLevel> level = LogLevel::error;
  if (directive.arguments.size() == 2) {
    const Word& word = directive.arguments[1];
    level = log_level_named(word.text);
    if (!level) return reader.invalid_value(directive, word, "debug, info, notice, warn, error, crit, alert, emerg");
  }
  if (scope.context != in_main || main.error_log) {
    return reader.warning(code::no_effect, "this 'error_log' has no effect: there is one for the whole program",
                          directive.name.at, "the first at the main level is used");
  }
  main.error_log = path.text;
  main.error_log_level = *level;
}

void add_access_log(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& logs = scope.level->access_logs;
  if (!logs) logs.emplace();
  const std::vector<Word>& words = directive.arguments;
  if (words[0].text == "off") {
    if (words.size() > 1) return reader.invalid_parameter(directive, words[1], "nothing may follow 'off'");
    logs->off = true;
    return;
  }
  if (is_special_target(words[0].text) || has_variable(words[0])) {
    return reader.not_built(words[0], cat("logging to '", printable(words[0].text), "'"), "name a file");
  }
  AccessLogModel log{words[0], std::nullopt};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const Word& word = words[i];
    if (parameter(word, "buffer=") || parameter(word, "flush="))
      continue;  // Files are always written in the background.
    if (const auto condition = parameter(word, "if=")) {
      if (condition->empty()) return reader.invalid_parameter(directive, word, "if=$VARIABLE");
      log.condition = Word{std::string(*condition), word.at, true};
      continue;
    }
    if (parameter(word, "gzip") == "" || parameter(word, "gzip=")) {
      return reader.not_built(word, cat("parameter '", printable(word.text), "' of 'access_log'"), "remove it");
    }
    if (i > 1)
      return reader.invalid_parameter(directive, word,
                                      "access_log FILE [FORMAT] [buffer=SIZE] [flush=TIME] [if=CONDITION]");
    log.format = word;
  }
  logs->files.push_back(std::move(log));
}

void add_format(Reader& reader, const Scope&, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  LogFormatModel format;
  format.name = words[0];
  format.at = words[1].at;
  std::size_t first = 1;
  if (const auto escape = parameter(words[1], "escape=")) {
    if (*escape != "default" && *escape != "json" && *escape != "none") {
      return reader.invalid_parameter(directive, words[1], "escape=default, escape=json or escape=none");
    }
    format.escape = *escape;
    first = 2;
  }
  for (std::size_t i = first; i < words.size(); ++i) format.text += words[i].text;
  auto& formats = reader.model().formats;
  const bool taken =
      std::ranges::any_of(formats, [&](const LogFormatModel& other) { return other.name.text == words[0].text; });
  if (taken || words[0].text == "combined") {
    return reader.error(code::taken_name, cat("duplicate 'log_format' name '", printable(words[0].text), "'"),
                        words[0].at);
  }
  formats.push_back(std::move(format));
}

constexpr DirectiveRow log_table[] = {
    {"error_log",
     in_main | in_levels,
     {1, 2},
     Support::built,
     set_error_log,
     "stderr error",
     "Where the program's own messages go, and the least level; one for the whole program, at the main level."},
    {"access_log",
     in_levels | in_if | in_limit_except,
     {1, many},
     Support::built,
     add_access_log,
     "off",
     "One line for each request: FILE [FORMAT] [if=CONDITION] or off; not where the condition is empty or \"0\"; "
     "inherited only where none is set."},
    {"log_format",
     in_http,
     {2, many},
     Support::built,
     add_format,
     "combined",
     "Names a format for access_log: NAME [escape=default|json|none] STRING …."},
    {"open_log_file_cache", in_levels, {1, many}, Support::ignored, nullptr, "off", "No effect: log files stay open."},
};

}  // namespace

std::optional<LogLevel> log_level_named(std::string_view name) {
  for (int level = 0; level <= static_cast<int>(LogLevel::debug); ++level) {
    if (name_of(static_cast<LogLevel>(level)) == name) return static_cast<LogLevel>(level);
  }
  return std::nullopt;
}

std::span<const DirectiveRow> log_rows() { return log_table; }

}  // namespace keepgate::conf

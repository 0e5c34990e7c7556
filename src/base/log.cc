#include "base/log.h"

#include <cstdio>

namespace keepgate {

namespace {
std::atomic<LogSink> current_sink{nullptr};
std::atomic<LogLevel> current_level{LogLevel::error};
}  // namespace

std::string_view name_of(LogLevel level) {
  constexpr std::string_view names[] = {"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"};
  return names[static_cast<std::size_t>(level)];
}

void set_log_sink(LogSink sink) { current_sink.store(sink); }
void set_log_level(LogLevel least_severe) { current_level.store(least_severe); }
bool log_enabled(LogLevel level) { return level <= current_level.load(std::memory_order_relaxed); }

void log_message(LogLevel level, std::string_view message) {
  if (const LogSink sink = current_sink.load(std::memory_order_acquire)) {
    sink(level, message);
    return;
  }
  const std::string line = cat("keepgate: [", name_of(level), "] ", message, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace keepgate

// The program's own log (error_log): levels of nginx, one sink, callable from any thread.
//
// This header does no I/O: until a sink is set, messages go to standard error. Never pass a token, a key or a cookie.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace keepgate {

// nginx's error_log levels, most severe first.
enum class LogLevel : std::uint8_t { emerg = 0, alert, crit, error, warn, notice, info, debug };

std::string_view name_of(LogLevel level);

using LogSink = void (*)(LogLevel, std::string_view message);

// Set once at start (and at a reload) by the composition. nullptr brings back standard error.
void set_log_sink(LogSink sink);
void set_log_level(LogLevel least_severe);
bool log_enabled(LogLevel level);
void log_message(LogLevel level, std::string_view message);

// log(LogLevel::warn, "upstream ", name, " timed out"): pieces are joined only when the level is on.
template <typename... Pieces>
void log(LogLevel level, const Pieces&... pieces) {
  if (log_enabled(level)) log_message(level, cat(pieces...));
}

}  // namespace keepgate

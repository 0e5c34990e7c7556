#include "logs/error_log.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/redact.h"
#include "logs/log_file.h"

namespace keepgate::logs {

namespace {

constexpr std::size_t message_bytes_max = 2048;  // nginx's bound on a line.

// Never destroyed: threads may log while the process ends. The sink only borrows the file under the lock, so that the
// last owner is never a thread that merely logs.
struct Configured {
  std::shared_mutex mutex;
  std::shared_ptr<LogFile> file;
};

Configured& configured() {
  static Configured& value = *new Configured;
  return value;
}

// "2026/01/31 12:00:00", local time, made once per second and thread.
std::string_view time_text() {
  thread_local std::time_t made_at = -1;
  thread_local std::array<char, 32> text;
  thread_local std::size_t length = 0;
  const std::time_t now = Now::read().wall_s();
  if (now != made_at) {
    std::tm parts{};
    ::localtime_r(&now, &parts);
    length = std::strftime(text.data(), text.size(), "%Y/%m/%d %H:%M:%S", &parts);
    made_at = now;
  }
  return {text.data(), length};
}

// A message may quote what a client sent: no byte of it may start a line or steer a terminal.
void append_message(std::string& out, std::string_view message) {
  constexpr char hex_digits[] = "0123456789ABCDEF";
  for (const char c : message.substr(0, message_bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      append(out, "\\x", hex_digits[byte >> 4], hex_digits[byte & 15]);
    }
  }
  if (message.size() > message_bytes_max) out += "...";
}

std::string make_line(LogLevel level, std::string_view message) {
  thread_local const pid_t thread_number = ::gettid();
  std::string line = cat(time_text(), " [", name_of(level), "] ", ::getpid(), '#', thread_number, ": ");
  append_message(line, message);
  redact_api_keys(line);
  line.push_back('\n');
  return line;
}

void write_error_log(LogLevel level, std::string_view message) {
  const std::string line = make_line(level, message);
  Configured& log = configured();
  const std::shared_lock lock(log.mutex);
  if (!log.file) return;
  log.file->write(line);
  // What may be the last words of the process must not wait for the next pass.
  if (level <= LogLevel::crit) log.file->flush();
}

}  // namespace

bool configure_error_log(const std::string& path, LogLevel least_severe, std::string& error) {
  std::shared_ptr<LogFile> file = LogFile::open(path, error);
  if (!file) return false;
  Configured& log = configured();
  {
    const std::unique_lock lock(log.mutex);
    log.file.swap(file);
  }
  set_log_level(least_severe);
  set_log_sink(write_error_log);
  return true;  // The file used before closes here, outside the lock: closing waits for the background thread.
}

LogLevel parse_log_level(std::string_view name, bool& known) {
  for (int i = 0; i <= static_cast<int>(LogLevel::debug); ++i) {
    const auto level = static_cast<LogLevel>(i);
    known = name == name_of(level);
    if (known) return level;
  }
  return LogLevel::error;
}

}  // namespace keepgate::logs

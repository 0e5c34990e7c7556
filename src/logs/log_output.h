// The descriptor behind a log file: opening it safely, and writing without ever waiting.
//
// Thread rule: one thread at a time. Lifetime: owns its descriptor. The caller blocks or ignores SIGPIPE.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace keepgate::logs {

class LogOutput {
 public:
  LogOutput() = default;
  LogOutput(LogOutput&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), kind_(other.kind_) {}
  LogOutput& operator=(LogOutput&& other) noexcept;
  ~LogOutput();

  // Understands what LogFile::open() does. Invalid, and `error`, on failure.
  static LogOutput open(const std::string& path, std::string& error);
  bool valid() const { return descriptor_ >= 0; }

  enum class Outcome : std::uint8_t {
    lost = 0,  // It will never take the rest: the reader of a pipe is gone, the device is broken.
    later,     // Full pipe: worth another try.
    no_space,  // Full disk: the same, but somebody should know.
    done,
  };
  // Writes what it can from the front of `bytes` and removes that from it.
  Outcome write(std::string_view& bytes);

 private:
  // What a write must do so as not to wait.
  enum class Kind : std::uint8_t { inherited = 0 /* ask poll() first */, own /* opened with O_NONBLOCK */, socket };
  LogOutput(int descriptor, Kind kind) : descriptor_(descriptor), kind_(kind) {}
  static LogOutput duplicate(int descriptor, std::string& error);
  long write_some(std::string_view bytes) const;

  int descriptor_ = -1;
  Kind kind_ = Kind::inherited;
};

}  // namespace keepgate::logs

// Time as a value: read once per turn of the event loop and handed down, so that logic can run on a simulated clock.
//
// Monotonic milliseconds are for deadlines and limits (they survive a step of the wall clock), wall time is for tokens
// and logs. Thread rule: plain value.
#pragma once

#include <cstdint>
#include <ctime>

namespace keepgate {

struct Now {
  std::int64_t monotonic_ms = 0;
  std::int64_t wall_ms = 0;  // Milliseconds since 1970-01-01T00:00:00Z.

  std::int64_t wall_s() const { return wall_ms / 1000; }

  static Now read() {
    const auto milliseconds = [](clockid_t clock) {
      timespec time{};
      ::clock_gettime(clock, &time);
      return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
    };
    return {milliseconds(CLOCK_MONOTONIC), milliseconds(CLOCK_REALTIME)};
  }
};

}  // namespace keepgate

// A timing wheel: deadlines in monotonic milliseconds, armed and disarmed in constant time.
//
// Resolution 8 ms; a timer never fires early. Thread rule: one loop. Lifetime: an armed Timer must stay where it is.
#pragma once

#include <array>
#include <cstdint>

namespace keepgate::net {

class TimerWheel;

class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  bool armed() const { return next_ != nullptr; }

 protected:
  virtual void expired() = 0;
  ~Timer();
  std::int64_t deadline_ms_ = 0;  // The wheel's while it is armed; before, whoever will arm it may keep it here.

 private:
  friend class TimerWheel;
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
};

inline constexpr std::int64_t no_deadline = INT64_MAX;

class TimerWheel {
 public:
  static constexpr std::int64_t slot_ms = 8;
  static constexpr std::size_t slot_count = 1024;

  TimerWheel();
  // no_deadline arms nothing. Re-arming moves it.
  void arm(Timer& timer, std::int64_t deadline_ms);
  static void disarm(Timer& timer);
  // Fires all timers due at `now_ms`. They are disarmed before expired() runs; expired() may arm and disarm any timer.
  void advance(std::int64_t now_ms);
  // Milliseconds until a timer could be due, at most `limit_ms`; 0 if one is.
  std::int64_t wait_ms(std::int64_t now_ms, std::int64_t limit_ms) const;

 private:
  struct Head final : Timer {
    void expired() override {}
  };
  std::array<Head, slot_count> slots_;
  std::int64_t current_slot_ = 0;  // Absolute number of the slot that was visited last.
};

}  // namespace keepgate::net

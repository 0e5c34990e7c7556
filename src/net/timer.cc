#include "net/timer.h"

#include <algorithm>

namespace keepgate::net {

Timer::~Timer() { TimerWheel::disarm(*this); }

TimerWheel::TimerWheel() {
  for (Head& head : slots_) head.next_ = head.previous_ = &head;
}

void TimerWheel::disarm(Timer& timer) {
  if (!timer.next_) return;
  timer.previous_->next_ = timer.next_;
  timer.next_->previous_ = timer.previous_;
  timer.next_ = timer.previous_ = nullptr;
}

void TimerWheel::arm(Timer& timer, std::int64_t deadline_ms) {
  disarm(timer);
  if (deadline_ms == no_deadline) return;
  timer.deadline_ms_ = deadline_ms;
  // Rounded up, so that the slot is visited when the deadline has passed; never a slot that was visited already.
  const std::int64_t slot = std::max((deadline_ms + slot_ms - 1) / slot_ms, current_slot_ + 1);
  Timer& head = slots_[static_cast<std::size_t>(slot) % slot_count];
  timer.next_ = &head;
  timer.previous_ = head.previous_;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
}

void TimerWheel::advance(std::int64_t now_ms) {
  const std::int64_t target = now_ms / slot_ms;
  if (target <= current_slot_) return;
  // After a long sleep one round over the wheel visits everything.
  std::int64_t slot = std::max(current_slot_ + 1, target - static_cast<std::int64_t>(slot_count) + 1);
  Head due;
  due.next_ = due.previous_ = &due;
  for (; slot <= target; ++slot) {
    Timer& head = slots_[static_cast<std::size_t>(slot) % slot_count];
    for (Timer* timer = head.next_; timer != &head;) {
      Timer* next = timer->next_;
      if (timer->deadline_ms_ <= now_ms) {
        disarm(*timer);
        timer->next_ = &due;
        timer->previous_ = due.previous_;
        due.previous_->next_ = timer;
        due.previous_ = timer;
      }
      timer = next;
    }
  }
  current_slot_ = target;
  while (due.next_ != &due) {
    Timer* timer = due.next_;
    disarm(*timer);
    timer->expired();
  }
  due.next_ = due.previous_ = nullptr;
}

std::int64_t TimerWheel::wait_ms(std::int64_t now_ms, std::int64_t limit_ms) const {
  const std::int64_t limit_slots = std::min<std::int64_t>(limit_ms / slot_ms + 1, slot_count);
  for (std::int64_t step = 1; step <= limit_slots; ++step) {
    const std::int64_t slot = current_slot_ + step;
    const Head& head = slots_[static_cast<std::size_t>(slot) % slot_count];
    if (head.next_ != &head) return std::clamp<std::int64_t>(slot * slot_ms - now_ms, 0, limit_ms);
  }
  return limit_ms;
}

}  // namespace keepgate::net

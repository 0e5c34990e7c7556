#include "net/timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace keepgate::net {
namespace {

struct Recorder final : Timer {
  void expired() override { ++count; }
  int count = 0;
};

TEST(TimerWheel, fires_after_the_deadline_and_never_before) {
  TimerWheel wheel;
  wheel.advance(1000);
  Recorder timer;
  wheel.arm(timer, 1100);
  for (std::int64_t now = 1000; now < 1100; ++now) {
    wheel.advance(now);
    EXPECT_EQ(timer.count, 0) << now;
  }
  wheel.advance(1100 + TimerWheel::slot_ms);
  EXPECT_EQ(timer.count, 1);
  wheel.advance(5000);
  EXPECT_EQ(timer.count, 1);
}

TEST(TimerWheel, does_not_fire_what_was_disarmed) {
  TimerWheel wheel;
  wheel.advance(0);
  Recorder timer;
  wheel.arm(timer, 50);
  TimerWheel::disarm(timer);
  EXPECT_FALSE(timer.armed());
  wheel.advance(100'000);
  EXPECT_EQ(timer.count, 0);
}

TEST(TimerWheel, keeps_deadlines_beyond_one_round) {
  TimerWheel wheel;
  wheel.advance(0);
  Recorder timer;
  const std::int64_t far = TimerWheel::slot_ms * static_cast<std::int64_t>(TimerWheel::slot_count) * 3;
  wheel.arm(timer, far);
  for (std::int64_t now = 0; now < far; now += 500) {
    wheel.advance(now);
    ASSERT_EQ(timer.count, 0) << now;
  }
  wheel.advance(far + TimerWheel::slot_ms);
  EXPECT_EQ(timer.count, 1);
}

TEST(TimerWheel, never_arms_no_deadline) {
  TimerWheel wheel;
  Recorder timer;
  wheel.arm(timer, no_deadline);
  EXPECT_FALSE(timer.armed());
}

TEST(TimerWheel, an_expiring_timer_may_disarm_another_that_is_due) {
  struct Killer final : Timer {
    explicit Killer(Timer& its_victim) : victim(its_victim) {}
    void expired() override { TimerWheel::disarm(victim); }
    Timer& victim;
  };
  TimerWheel wheel;
  wheel.advance(0);
  Recorder victim;
  Killer killer(victim);
  wheel.arm(killer, 100);
  wheel.arm(victim, 100);
  wheel.advance(1000);
  EXPECT_EQ(victim.count, 0);
}

TEST(TimerWheel, agrees_with_a_sorted_list_on_random_deadlines) {
  std::mt19937 random(7);
  TimerWheel wheel;
  wheel.advance(0);
  std::vector<std::unique_ptr<Recorder>> timers;
  std::vector<std::int64_t> deadlines;
  for (int i = 0; i < 2000; ++i) {
    timers.push_back(std::make_unique<Recorder>());
    deadlines.push_back(static_cast<std::int64_t>(random() % 60'000));
    wheel.arm(*timers.back(), deadlines.back());
  }
  for (std::int64_t now = 0; now <= 70'000; now += 1 + static_cast<std::int64_t>(random() % 300)) {
    wheel.advance(now);
    for (std::size_t i = 0; i < timers.size(); ++i) {
      const bool may_have_fired = deadlines[i] <= now;
      const bool must_have_fired = deadlines[i] + TimerWheel::slot_ms < now;
      ASSERT_LE(timers[i]->count, may_have_fired ? 1 : 0);
      ASSERT_GE(timers[i]->count, must_have_fired ? 1 : 0);
    }
  }
}

TEST(TimerWheel, says_how_long_the_loop_may_sleep) {
  TimerWheel wheel;
  wheel.advance(0);
  EXPECT_EQ(wheel.wait_ms(0, 5000), 5000);
  Recorder timer;
  wheel.arm(timer, 100);
  const std::int64_t wait = wheel.wait_ms(0, 5000);
  EXPECT_GE(wait, 100 - TimerWheel::slot_ms);
  EXPECT_LE(wait, 100 + TimerWheel::slot_ms);
}

}  // namespace
}  // namespace keepgate::net

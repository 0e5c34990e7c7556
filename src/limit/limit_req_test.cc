#include "limit/limit_req.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::limit {
namespace {

using enum LimitStatus;

constexpr std::int64_t start_ms = 1'000'000;
constexpr std::uint64_t no_delay = UINT64_MAX;

std::shared_ptr<Zone> zone(std::uint64_t rate_milli, std::string name = "z", std::size_t bytes = 1 << 20) {
  return std::make_shared<Zone>(std::move(name), bytes, rate_milli, route::Template::literal("key"));
}

Limit limit(std::shared_ptr<Zone> of, std::uint64_t burst = 0, std::uint64_t delay = 0) {
  return {std::move(of), burst, delay, false};
}

LimitOutcome ask(const Limit& one, std::string_view key, std::int64_t now_ms, bool dry_run = false) {
  return check_limits({&one, 1}, {&key, 1}, now_ms, dry_run);
}

struct Step {
  std::int64_t at_ms;
  LimitStatus status;
  std::uint64_t delay_ms = 0;
  std::uint64_t excess_milli = 0;
};

void expect_steps(const Limit& one, std::initializer_list<Step> steps) {
  int number = 0;
  for (const Step& step : steps) {
    const LimitOutcome outcome = ask(one, "k", start_ms + step.at_ms);
    EXPECT_EQ(name_of(outcome.status), name_of(step.status)) << "step " << number;
    EXPECT_EQ(outcome.delay_ms, step.delay_ms) << "step " << number;
    EXPECT_EQ(outcome.excess_milli, step.excess_milli) << "step " << number;
    ++number;
  }
}

TEST(LimitReq, a_new_key_starts_empty_and_one_request_a_second_passes) {
  expect_steps(limit(zone(1000)), {{0, passed},
                                   {0, rejected, 0, 1000},
                                   {999, rejected, 0, 1},
                                   {1000, passed},
                                   {1001, rejected, 0, 999},
                                   {2000, passed}});
}

TEST(LimitReq, a_rejected_request_is_not_charged) {
  const Limit one = limit(zone(1000));
  EXPECT_EQ(ask(one, "k", start_ms).status, passed);
  for (int i = 1; i < 1000; ++i) EXPECT_EQ(ask(one, "k", start_ms + i).status, rejected);
  EXPECT_EQ(ask(one, "k", start_ms + 1000).status, passed);
}

TEST(LimitReq, without_burst_one_request_passes_in_a_millisecond_however_high_the_rate) {
  expect_steps(limit(zone(5'000'000)), {{0, passed}, {0, rejected, 0, 1000}, {1, passed}, {1, rejected, 0, 1000}});
}

TEST(LimitReq, a_burst_is_delayed_to_the_rate) {
  expect_steps(limit(zone(10'000), 3), {{0, passed},
                                        {0, delayed, 100, 1000},
                                        {0, delayed, 200, 2000},
                                        {0, delayed, 300, 3000},
                                        {0, rejected, 0, 4000},
                                        {100, delayed, 300, 3000}});
}

TEST(LimitReq, nodelay_lets_a_burst_pass_at_once) {
  for (const std::uint64_t delay : {std::uint64_t{3}, no_delay}) {
    const Limit one = limit(zone(10'000), 3, delay);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(one, "k", start_ms).status, passed);
    EXPECT_EQ(ask(one, "k", start_ms).status, rejected);
    EXPECT_EQ(ask(one, "k", start_ms + 99).status, rejected);
    EXPECT_EQ(ask(one, "k", start_ms + 100).status, passed);
  }
}

TEST(LimitReq, delay_counts_from_its_own_threshold) {
  const Limit one = limit(zone(10'000), 5, 2);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(one, "k", start_ms).status, passed);
  EXPECT_EQ(ask(one, "k", start_ms).delay_ms, 100u);
  EXPECT_EQ(ask(one, "k", start_ms).delay_ms, 200u);
  EXPECT_EQ(ask(one, "k", start_ms).delay_ms, 300u);
  EXPECT_EQ(ask(one, "k", start_ms).status, rejected);
}

TEST(LimitReq, a_delay_below_a_millisecond_is_none) {
  const Limit one = limit(zone(2'000'000), 5);
  EXPECT_EQ(ask(one, "k", start_ms).status, passed);
  EXPECT_EQ(ask(one, "k", start_ms).status, passed);  // 1000 × 1000 / 2,000,000 = 0 ms.
  EXPECT_EQ(ask(one, "k", start_ms).status, delayed);
}

TEST(LimitReq, thirty_a_minute_is_one_every_two_seconds) {
  expect_steps(limit(zone(500)), {{0, passed}, {1999, rejected, 0, 1}, {2000, passed}});
}

TEST(LimitReq, a_clock_that_steps_back_neither_frees_nor_jams_a_key) {
  expect_steps(limit(zone(1000), 1, no_delay), {{100'000, passed},
                                                {99'000, passed, 0, 1000},  // A small step: no time passes.
                                                {99'500, rejected, 0, 2000},
                                                {101'000, passed, 0, 1000},
                                                {0, rejected, 0, 1999},  // A big one: a millisecond does.
                                                {102'000, passed, 0, 1000}});
  expect_steps(limit(zone(1000), 5, no_delay),
               {{100'000, passed}, {0, passed, 0, 999}, {1000, passed, 0, 999}, {2000, passed, 0, 999}});
}

TEST(LimitReq, survives_the_ends_of_the_clock) {
  const Limit one = limit(zone(UINT64_MAX / 2), UINT64_MAX, 0);
  for (const std::int64_t now : {INT64_MIN, INT64_MAX, std::int64_t{0}, INT64_MAX, INT64_MIN, std::int64_t{-1}}) {
    EXPECT_NE(ask(one, "k", now).status, rejected);
  }
}

TEST(LimitReq, keys_do_not_share_a_bucket) {
  const Limit one = limit(zone(1000));
  for (const std::string_view key : {"a", "b", "A", "a ", "aa"}) EXPECT_EQ(ask(one, key, start_ms).status, passed);
  for (const std::string_view key : {"a", "b", "A", "a ", "aa"}) EXPECT_EQ(ask(one, key, start_ms).status, rejected);
}

TEST(LimitReq, an_empty_key_is_not_limited) {
  const Limit one = limit(zone(1000));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(one, "", start_ms).status, none);
  EXPECT_EQ(one.zone->entry_count(), 0u);
  EXPECT_EQ(check_limits({}, {}, start_ms, false).status, none);
}

TEST(LimitReq, a_key_over_64_kib_is_not_limited_and_logged) {
  static int logged = 0;
  set_log_sink([](LogLevel, std::string_view message) { logged += message.find("xxx") == std::string_view::npos; });
  const Limit one = limit(zone(1000), 0, 0);
  const std::string longest(Zone::key_bytes_max, 'x');
  EXPECT_EQ(ask(one, longest, start_ms).status, passed);
  EXPECT_EQ(ask(one, longest, start_ms).status, rejected);
  EXPECT_EQ(logged, 0);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(one, longest + "x", start_ms).status, none);
  EXPECT_EQ(logged, 2);
  set_log_sink(nullptr);
}

TEST(LimitReq, none_is_charged_if_any_rejects) {
  const Limit limits[] = {limit(zone(1000, "first"), 2, no_delay), limit(zone(1000, "second"))};
  const std::string_view keys[] = {"k", "k"};
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).status, passed);
  for (int i = 0; i < 10; ++i) {
    const LimitOutcome outcome = check_limits(limits, keys, start_ms, false);
    EXPECT_EQ(outcome.status, rejected);
    EXPECT_EQ(outcome.zone, "second");
  }
  EXPECT_EQ(ask(limits[0], "k", start_ms).excess_milli, 1000u);  // Charged once before, not eleven times.
  EXPECT_EQ(ask(limits[0], "k", start_ms).status, passed);
  EXPECT_EQ(ask(limits[0], "k", start_ms).status, rejected);
}

TEST(LimitReq, a_new_key_is_not_remembered_if_another_limit_rejects) {
  const Limit limits[] = {limit(zone(1000, "first")), limit(zone(1000, "second"))};
  EXPECT_EQ(ask(limits[1], "k", start_ms).status, passed);
  const std::string_view keys[] = {"k", "k"};
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).status, rejected);
  EXPECT_EQ(limits[0].zone->entry_count(), 0u);
}

TEST(LimitReq, the_longest_delay_wins) {
  const auto fast = zone(100'000, "fast"), slow = zone(10'000, "slow");
  const std::string_view keys[] = {"k", "k"};
  for (const bool slow_first : {true, false}) {
    const std::string key = cat("k", slow_first ? 1 : 2);
    const std::string_view both[] = {key, key};
    const Limit limits[] = {limit(slow_first ? slow : fast, 5), limit(slow_first ? fast : slow, 5)};
    EXPECT_EQ(check_limits(limits, both, start_ms, false).status, passed);
    const LimitOutcome outcome = check_limits(limits, both, start_ms, false);
    EXPECT_EQ(outcome.delay_ms, 100u);
    EXPECT_EQ(outcome.zone, "slow");
  }
  const Limit equal[] = {limit(zone(10'000, "one"), 5), limit(zone(10'000, "two"), 5)};
  EXPECT_EQ(check_limits(equal, keys, start_ms, false).status, passed);
  EXPECT_EQ(check_limits(equal, keys, start_ms, false).zone, "two");
}

TEST(LimitReq, limits_with_empty_keys_are_skipped_among_others) {
  const Limit limits[] = {limit(zone(1000, "a")), limit(zone(1000, "b")), limit(zone(1000, "c"))};
  const std::string_view keys[] = {"", "k", ""};
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).status, passed);
  const LimitOutcome outcome = check_limits(limits, keys, start_ms, false);
  EXPECT_EQ(outcome.status, rejected);
  EXPECT_EQ(outcome.zone, "b");
}

TEST(LimitReq, many_limits_on_one_request_all_count) {
  std::vector<Limit> limits;
  for (int i = 0; i < 20; ++i) limits.push_back(limit(zone(1000, cat("z", i), Zone::size_bytes_min), 19 - i, no_delay));
  const std::vector<std::string_view> keys(20, "k");
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).status, passed);
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).zone, "z19");
  limits.pop_back();
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).status, passed);
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).zone, "z18");
}

TEST(LimitReq, one_zone_named_twice_locks_once) {
  const auto shared = zone(1000);
  const Limit limits[] = {limit(shared, 9, no_delay), limit(shared, 9, no_delay)};
  const std::string_view keys[] = {"k", "k"};
  EXPECT_EQ(check_limits(limits, keys, start_ms, false).status, passed);
  EXPECT_EQ(shared->entry_count(), 1u);
  EXPECT_EQ(ask(limits[0], "k", start_ms).excess_milli, 2000u);
}

TEST(LimitReq, a_dry_run_counts_but_never_holds_up) {
  const Limit one = limit(zone(10'000), 1);
  EXPECT_EQ(ask(one, "k", start_ms, true).status, passed);
  const LimitOutcome late = ask(one, "k", start_ms, true);
  EXPECT_EQ(late.status, delayed_dry_run);
  EXPECT_EQ(late.delay_ms, 0u);
  EXPECT_EQ(ask(one, "k", start_ms, true).status, rejected_dry_run);
  EXPECT_EQ(ask(one, "k", start_ms, false).status, rejected);
}

TEST(LimitReq, names_its_statuses_as_nginx) {
  EXPECT_EQ(name_of(none), "");
  EXPECT_EQ(name_of(passed), "PASSED");
  EXPECT_EQ(name_of(delayed), "DELAYED");
  EXPECT_EQ(name_of(rejected), "REJECTED");
  EXPECT_EQ(name_of(delayed_dry_run), "DELAYED_DRY_RUN");
  EXPECT_EQ(name_of(rejected_dry_run), "REJECTED_DRY_RUN");
}

TEST(LimitReq, tells_what_is_left) {
  const Limit limits[] = {limit(zone(1000), 4, no_delay), limit(zone(1000), 2, no_delay)};
  const std::string_view keys[] = {"k", "k"};
  for (const std::uint64_t remaining : {2u, 1u, 0u}) {
    const LimitOutcome outcome = check_limits(limits, keys, start_ms, false);
    EXPECT_EQ(outcome.status, passed);
    EXPECT_EQ(outcome.limit, 3u);
    EXPECT_EQ(outcome.remaining, remaining);
  }
  const LimitOutcome outcome = check_limits(limits, keys, start_ms, false);
  EXPECT_EQ(outcome.status, rejected);
  EXPECT_EQ(outcome.limit, 3u);
  EXPECT_EQ(outcome.remaining, 0u);
  EXPECT_EQ(outcome.retry_after_ms, 1000u);
}

TEST(LimitReq, a_request_passes_after_retry_after_and_not_a_millisecond_before) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    const Limit one = limit(zone(1 + random() % 50'000, "z", Zone::size_bytes_min), random() % 4, no_delay);
    std::int64_t now = start_ms;
    LimitOutcome outcome;
    for (int i = 0; i < 20 && outcome.status != rejected; ++i) outcome = ask(one, "k", now += random() % 3);
    if (outcome.status != rejected) continue;
    ASSERT_GE(outcome.retry_after_ms, 1u);
    const auto wait = static_cast<std::int64_t>(outcome.retry_after_ms);
    ASSERT_EQ(ask(one, "k", now + wait - 1).status, rejected);
    ASSERT_EQ(ask(one, "k", now + wait).status, passed);
  }
}

// nginx's arithmetic, in its own order: every limit but the last is looked up and charged only after all passed.
class Simulation {
 public:
  struct State {
    std::int64_t excess = 0, last = 0;
  };
  struct Config {
    std::int64_t rate, burst, delay;  // All in thousandths.
  };
  struct Answer {
    bool rejected = false;
    std::int64_t delay_ms = 0;
  };

  explicit Simulation(std::vector<Config> configs) : configs_(std::move(configs)), states_(configs_.size()) {}

  Answer request(const std::vector<std::string>& keys, std::int64_t now) {
    std::vector<bool> pending(keys.size());
    std::int64_t last_delay = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].empty()) continue;
      const auto found = states_[i].find(keys[i]);
      const bool is_last = i + 1 == keys.size();
      const std::int64_t excess = found == states_[i].end() ? 0 : with_request(found->second, configs_[i], now);
      if (excess > configs_[i].burst) return {true, 0};
      if (!is_last) {
        pending[i] = true;
      } else {
        account(i, keys[i], now, excess);
        last_delay = delay_of(configs_[i], excess);
      }
    }
    for (std::size_t i = keys.size(); i-- > 0;) {
      if (!pending[i]) continue;
      const auto found = states_[i].find(keys[i]);
      const std::int64_t excess = found == states_[i].end() ? 0 : with_request(found->second, configs_[i], now);
      account(i, keys[i], now, excess);
      last_delay = std::max(last_delay, delay_of(configs_[i], excess));
    }
    return {false, last_delay};
  }

 private:
  static std::int64_t elapsed(const State& state, std::int64_t now) {
    std::int64_t ms = now - state.last;
    if (ms < -60'000) {
      ms = 1;
    } else if (ms < 0) {
      ms = 0;
    }
    return ms;
  }
  static std::int64_t with_request(const State& state, const Config& config, std::int64_t now) {
    const std::int64_t excess = state.excess - config.rate * elapsed(state, now) / 1000 + 1000;
    return excess < 0 ? 0 : excess;
  }
  static std::int64_t delay_of(const Config& config, std::int64_t excess) {
    return excess <= config.delay ? 0 : (excess - config.delay) * 1000 / config.rate;
  }
  void account(std::size_t i, const std::string& key, std::int64_t now, std::int64_t excess) {
    const auto [at, is_new] = states_[i].try_emplace(key, State{excess, now});
    if (is_new) return;
    if (elapsed(at->second, now) != 0) at->second.last = now;
    at->second.excess = excess;
  }

  std::vector<Config> configs_;
  std::vector<std::map<std::string, State>> states_;
};

TEST(LimitReq, answers_what_the_arithmetic_of_nginx_answers_on_random_sequences) {
  std::mt19937_64 random(11);
  std::size_t rejections = 0, delays = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t count = 1 + random() % 3;
    std::vector<Simulation::Config> configs;
    std::vector<Limit> limits;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t rates[] = {16, 500, 1000, 10'000, 333'000, 2'000'000};
      const std::uint64_t rate = rates[random() % std::size(rates)], burst = random() % 8, delay = random() % 10;
      const auto signed_milli = [](std::uint64_t value) { return static_cast<std::int64_t>(value * 1000); };
      configs.push_back({static_cast<std::int64_t>(rate), signed_milli(burst), signed_milli(delay)});
      limits.push_back(limit(zone(rate, cat("z", i)), burst, delay));
    }
    Simulation simulation(configs);
    // A drained bucket may be forgotten at the next insertion, which only a clock that steps back could tell; so these
    // rounds use one key.
    const bool steps_back = round % 2 == 1;
    std::int64_t now = start_ms;
    const std::uint64_t pace = std::uint64_t{1} << (random() % 12);
    for (int step = 0; step < 300; ++step) {
      if (random() % 2 == 0) now += static_cast<std::int64_t>(random() % pace);
      if (steps_back && step > 3 && random() % 50 == 0) now -= static_cast<std::int64_t>(random() % 100'000);
      std::vector<std::string> keys;
      for (std::size_t i = 0; i < count; ++i) {
        keys.push_back(random() % 10 == 0 ? "" : cat("key", steps_back ? 0 : random() % 5));
      }
      if (step == 0) std::ranges::fill(keys, "key0");
      const std::vector<std::string_view> views(keys.begin(), keys.end());
      const Simulation::Answer expected = simulation.request(keys, now);
      const LimitOutcome outcome = check_limits(limits, views, now, false);
      ASSERT_EQ(outcome.status == rejected, expected.rejected) << "round " << round << " step " << step;
      ASSERT_EQ(static_cast<std::int64_t>(outcome.delay_ms), expected.delay_ms)
          << "round " << round << " step " << step;
      rejections += expected.rejected;
      delays += expected.delay_ms > 0;
    }
  }
  EXPECT_GT(rejections, 10'000u);
  EXPECT_GT(delays, 1000u);
}

TEST(Zone, holds_at_least_what_nginx_promises_of_a_megabyte) {
  const Limit one = limit(zone(1));
  for (int i = 0; i < 16'000; ++i) ask(one, cat("client-", i), start_ms);
  EXPECT_EQ(one.zone->entry_count(), 16'000u);
}

TEST(Zone, a_million_keys_stay_within_its_size) {
  const Limit one = limit(zone(1, "z", 1 << 20));
  std::size_t most = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    EXPECT_EQ(ask(one, cat("key-", i), start_ms).status, passed);
    if (i % 65'536 == 0) most = std::max(most, one.zone->entry_count());
  }
  EXPECT_LE(std::max(most, one.zone->entry_count()), (std::size_t{1} << 20) / 48);
  EXPECT_GT(one.zone->entry_count(), 16'000u);
}

TEST(Zone, a_flood_of_keys_buys_no_fresh_start) {
  const Limit one = limit(zone(1000, "z", 128 * 1024), 2, no_delay);
  std::int64_t now = start_ms;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(one, "attacker", now).status, passed);
  EXPECT_EQ(ask(one, "attacker", now).status, rejected);
  for (int i = 0; i < 1'000'000; ++i) ask(one, cat("flood-", i), now);
  EXPECT_EQ(ask(one, "attacker", now).status, rejected);
  EXPECT_EQ(ask(one, "attacker", now + 1000).status, passed);
  EXPECT_EQ(ask(one, "attacker", now + 1000).status, rejected);
}

TEST(Zone, a_client_in_use_outlives_a_flood_of_busy_keys) {
  const Limit one = limit(zone(1000, "z", 256 * 1024), 2, no_delay);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(one, "client", start_ms).status, passed);
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = cat("flood-", i);
    ask(one, key, start_ms);
    ask(one, key, start_ms);
    if (i % 100 == 0) {
      EXPECT_EQ(ask(one, "client", start_ms).status, rejected) << i;
    }
  }
}

TEST(Zone, drained_keys_give_their_place_back) {
  const Limit one = limit(zone(1'000'000, "z", Zone::size_bytes_min), 5, no_delay);
  for (int i = 0; i < 100; ++i) {
    ask(one, cat("a-", i), start_ms);
    ask(one, cat("a-", i), start_ms);
  }
  EXPECT_EQ(one.zone->entry_count(), 100u);
  for (int i = 0; i < 100; ++i) ask(one, cat("b-", i), start_ms + 10'000);
  EXPECT_LE(one.zone->entry_count(), 102u);
}

TEST(Zone, keys_that_are_long_take_no_more_room) {
  const Limit one = limit(zone(1, "z", Zone::size_bytes_min));
  const std::string tail(8000, 'x');
  for (int i = 0; i < 500; ++i) EXPECT_EQ(ask(one, cat(i, tail), start_ms).status, passed);
  EXPECT_EQ(one.zone->entry_count(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(ask(one, cat(i, tail), start_ms).status, rejected);
}

TEST(Zone, bad_sizes_and_rates_are_made_safe) {
  const Limit one = limit(zone(0, "z", 0));
  EXPECT_EQ(one.zone->rate_milli(), 1u);
  EXPECT_EQ(one.zone->size_bytes(), Zone::size_bytes_min);
  EXPECT_EQ(ask(one, "k", start_ms).status, passed);
  EXPECT_EQ(ask(one, "k", start_ms).status, rejected);
}

TEST(Zone, four_threads_together_get_no_more_than_the_bucket_holds) {
  const Limit limits[] = {limit(zone(1000, "a"), 99, no_delay), limit(zone(1000, "b"), 49, no_delay)};
  const Limit reversed[] = {limits[1], limits[0]};
  std::atomic<int> passes = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      const std::string_view keys[] = {"k", "k"};
      for (int i = 0; i < 20'000; ++i) {
        passes +=
            check_limits(number % 2 ? limits : reversed, keys, start_ms + i / 10'000 * 5000, false).status == passed;
        const std::string own = cat("own-", number, "-", i % 700);
        const std::string_view own_keys[] = {own, own};
        check_limits(number % 2 ? limits : reversed, own_keys, start_ms, false);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(passes, 50);
  EXPECT_LE(passes, 50 + 5);
}

}  // namespace
}  // namespace keepgate::limit

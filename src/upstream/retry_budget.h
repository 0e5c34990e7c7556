// RetryBudget: how many requests of a group may be tried again, so that retries cannot multiply an outage.
//
// Allowed are, in any ten seconds, a percentage of the requests of those seconds and some a second besides. Each worker
// counts its requests in a lane of its own (no locked instruction on the path of a request); a retry, which is rare,
// adds the lanes up under a lock. Thread rule: safe from any thread; a lane is written by one worker.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace keepgate::upstream {

struct RetryBudgetOptions {
  bool off = false;
  unsigned percent = 20;
  unsigned per_second = 10;
  bool operator==(const RetryBudgetOptions&) const = default;
};

class RetryBudget {
 public:
  static constexpr std::int64_t window_s = 10;

  // Counts by second, with one slot more than the window for the second that is being counted anew.
  class Seconds {
   public:
    void add(std::int64_t now_ms);  // One writer at a time.
    std::uint64_t total(std::int64_t now_ms) const;

   private:
    struct Slot {
      std::atomic<std::int64_t> second{-1};
      std::atomic<std::uint32_t> count{0};
    };
    static constexpr std::size_t slot_count = 16;
    std::array<Slot, slot_count> slots_;
  };
  struct alignas(64) Lane {
    Seconds requests;
  };

  explicit RetryBudget(RetryBudgetOptions options) : options_(options) {}

  std::shared_ptr<Lane> open_lane();  // For one worker, as long as it holds it.
  // Whether one more retry may be made now; it is counted then.
  bool take(std::int64_t now_ms);

 private:
  const RetryBudgetOptions options_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Lane>> lanes_;
  Seconds retries_;
};

}  // namespace keepgate::upstream

#include "upstream/retry_budget.h"

namespace keepgate::upstream {

void RetryBudget::Seconds::add(std::int64_t now_ms) {
  const std::int64_t second = now_ms / 1000;
  Slot& slot = slots_[static_cast<std::size_t>(second) % slot_count];
  if (slot.second.load(std::memory_order_relaxed) != second) {
    slot.count.store(0, std::memory_order_relaxed);
    slot.second.store(second, std::memory_order_relaxed);
  }
  slot.count.store(slot.count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// Read while another worker counts: a slot that turns over just now is off by one second's count at most.
std::uint64_t RetryBudget::Seconds::total(std::int64_t now_ms) const {
  const std::int64_t second = now_ms / 1000;
  std::uint64_t sum = 0;
  for (const Slot& slot : slots_) {
    const std::int64_t age = second - slot.second.load(std::memory_order_relaxed);
    if (age >= 0 && age < window_s) sum += slot.count.load(std::memory_order_relaxed);
  }
  return sum;
}

std::shared_ptr<RetryBudget::Lane> RetryBudget::open_lane() {
  auto lane = std::make_shared<Lane>();
  const std::lock_guard lock(mutex_);
  std::erase_if(lanes_, [](const auto& one) { return one.expired(); });
  lanes_.push_back(lane);
  return lane;
}

bool RetryBudget::take(std::int64_t now_ms) {
  if (options_.off) return true;
  const std::lock_guard lock(mutex_);
  std::uint64_t requests = 0;
  for (const auto& one : lanes_) {
    if (const auto lane = one.lock()) requests += lane->requests.total(now_ms);
  }
  const std::uint64_t allowed = requests * options_.percent / 100 + std::uint64_t{options_.per_second} * window_s;
  if (retries_.total(now_ms) >= allowed) return false;
  retries_.add(now_ms);
  return true;
}

}  // namespace keepgate::upstream

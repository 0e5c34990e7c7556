#include "pipeline/counters.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace keepgate::pipeline {

namespace {

struct Registry {
  std::mutex mutex;
  std::vector<const Counters*> live;
  CounterValues ended;  // Of workers that are gone.
};

Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

Counters::Counters() {
  const std::lock_guard lock(registry().mutex);
  registry().live.push_back(this);
}

Counters::~Counters() {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().live, this);
  registry().ended.accepted += accepted_.load(std::memory_order_relaxed);
  registry().ended.requests += requests_.load(std::memory_order_relaxed);
}

void Counters::add_to(CounterValues& out) const {
  out.accepted += accepted_.load(std::memory_order_relaxed);
  out.requests += requests_.load(std::memory_order_relaxed);
  out.connections += connections_.load(std::memory_order_relaxed);
  out.waiting += waiting_.load(std::memory_order_relaxed);
  out.writing += writing_.load(std::memory_order_relaxed);
}

CounterValues Counters::sum() {
  const std::lock_guard lock(registry().mutex);
  CounterValues out = registry().ended;
  for (const Counters* one : registry().live) one->add_to(out);
  return out;
}

}  // namespace keepgate::pipeline

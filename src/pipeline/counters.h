// What nginx's stub_status shows: connections and requests of the whole program.
//
// Thread rule: each worker writes its own numbers, anybody reads the sum of all. What a worker counted stays in the sum
// when it ends. Cost: a store to memory that no other thread writes.
#pragma once

#include <atomic>
#include <cstdint>

namespace keepgate::pipeline {

struct CounterValues {
  std::uint64_t accepted = 0, requests = 0;
  std::uint64_t connections = 0;           // Open now.
  std::uint64_t waiting = 0, writing = 0;  // Of these: between requests; with a request whose head is there.
  // The rest. The workers' numbers are read one after another: together they may be a moment apart.
  std::uint64_t reading() const { return connections > waiting + writing ? connections - waiting - writing : 0; }
};

class Counters {
 public:
  Counters();
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void connection_opened() { add(accepted_, 1), add(connections_, 1); }
  void connection_closed() { add(connections_, -1); }
  void wait_began() { add(waiting_, 1); }
  void wait_ended() { add(waiting_, -1); }
  void request_began() { add(requests_, 1), add(writing_, 1); }
  void request_ended() { add(writing_, -1); }

  static CounterValues sum();

 private:
  using Number = std::atomic<std::uint64_t>;
  static void add(Number& number, std::int64_t value) {
    number.store(number.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(value), std::memory_order_relaxed);
  }
  void add_to(CounterValues& out) const;

  Number accepted_{0}, requests_{0}, connections_{0}, waiting_{0}, writing_{0};
};

}  // namespace keepgate::pipeline

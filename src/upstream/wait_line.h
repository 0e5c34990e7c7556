// WaitLine: requests that wait until a server of their group has room (`queue`), first come first served.
//
// Shared by the workers that share the group's peers. Whoever frees a place wakes the first in line, which may belong
// to another worker. Thread rule: safe from any thread; a Place belongs to its worker, and its lock is held for a few
// instructions. Lifetime: a Place leaves the line before it goes.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include "net/loop.h"
#include "net/stream.h"

namespace keepgate::upstream {

class WaitLine {
 public:
  struct Place {
    net::Stream& client;  // Whose hangup is awaited.
  };

  WaitLine() : state_(std::make_shared<State>()) {}

  bool empty() const { return state_->size.load(std::memory_order_relaxed) == 0; }
  bool enter(Place& place, std::size_t places_max);  // False: the line is full.
  void leave(const Place& place);
  bool is_first(const Place& place) const;
  // Tells the first in line that something changed.
  void wake_first();

 private:
  struct State {
    std::mutex mutex;
    std::deque<Place*> places;
    std::atomic<std::size_t> size{0};
  };
  struct Call;
  static void wake_here(State& state, net::Loop& loop);
  std::shared_ptr<State> state_;  // A message on its way to another worker holds it.
};

}  // namespace keepgate::upstream

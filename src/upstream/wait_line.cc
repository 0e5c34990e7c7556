#include "upstream/wait_line.h"

#include <algorithm>

namespace keepgate::upstream {

// To another worker: look whether the first in line is yours.
struct WaitLine::Call final : net::Message {
  explicit Call(std::shared_ptr<State> its_state) : state(std::move(its_state)) {}
  void deliver(net::Loop& loop) override { wake_here(*state, loop); }
  std::shared_ptr<State> state;
};

bool WaitLine::enter(Place& place, std::size_t places_max) {
  const std::lock_guard lock(state_->mutex);
  if (state_->places.size() >= places_max) return false;
  state_->places.push_back(&place);
  state_->size.store(state_->places.size(), std::memory_order_relaxed);
  return true;
}

bool WaitLine::is_first(const Place& place) const {
  const std::lock_guard lock(state_->mutex);
  return !state_->places.empty() && state_->places.front() == &place;
}

void WaitLine::leave(const Place& place) {
  const std::lock_guard lock(state_->mutex);
  std::erase(state_->places, &place);
  state_->size.store(state_->places.size(), std::memory_order_relaxed);
}

void WaitLine::wake_here(State& state, net::Loop& loop) {
  const std::lock_guard lock(state.mutex);
  if (state.places.empty() || &state.places.front()->client.loop() != &loop) return;
  state.places.front()->client.cancel_hangup_waiter();
}

// INVARIANT: a loop lives while one of its requests stands in line, and nobody leaves while the lock is held.
void WaitLine::wake_first() {
  net::Loop* loop = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->places.empty()) return;
    loop = &state_->places.front()->client.loop();
    if (loop != &net::Loop::current()) return loop->post(std::make_unique<Call>(state_));
  }
  wake_here(*state_, *loop);
}

}  // namespace keepgate::upstream

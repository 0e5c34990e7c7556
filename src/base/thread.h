// Starting a thread where the system may refuse: no thread, no memory or no number left.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

namespace keepgate {

// False: there is no new thread, and `thread` is as it was.
template <typename Function>
[[nodiscard]] bool start_thread(std::thread& thread, Function&& run) {
  try {
    thread = std::thread(std::forward<Function>(run));
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace keepgate

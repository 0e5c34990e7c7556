#include "base/out_of_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <new>
#include <string_view>

namespace keepgate {

namespace {

// Without memory, locks or buffers.
[[noreturn]] void say_and_end() {
  constexpr std::string_view words = "keepgate: out of memory, the process ends\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, words.data(), words.size());
  std::abort();
}

}  // namespace

void end_when_out_of_memory() { std::set_new_handler(say_and_end); }

}  // namespace keepgate

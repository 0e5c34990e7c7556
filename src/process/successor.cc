#include "process/successor.h"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "process/inherited.h"

namespace keepgate::process {

namespace {

// What was meant for this very process must not be taken for its own by the new one.
bool is_ours_alone(std::string_view variable) {
  constexpr std::string_view names[] = {"KEEPGATE=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "WATCHDOG_PID="};
  return std::ranges::any_of(names, [&](std::string_view name) { return variable.starts_with(name); });
}

// posix_spawn() instead of fork(): between fork and exec a process with threads may do next to nothing.
class Spawn {
 public:
  Spawn() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &pipe);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  // Onto itself: that takes close-on-exec away, in the child only.
  void keep(int descriptor) { ::posix_spawn_file_actions_adddup2(&actions_, descriptor, descriptor); }
  int start(pid_t& pid, char* const* words, char* const* environment) {
    const auto spawn = std::strchr(words[0], '/') ? ::posix_spawn : ::posix_spawnp;
    return spawn(&pid, words[0], &actions_, &attributes_, words, environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<pid_t> start_successor(char* const* words, const std::vector<Listener>& listeners) {
  std::string sockets = cat("KEEPGATE=", inheritance_of(listeners));
  std::vector<char*> environment{sockets.data()};
  for (char** variable = environ; *variable; ++variable) {
    if (!is_ours_alone(*variable)) environment.push_back(*variable);
  }
  environment.push_back(nullptr);
  Spawn spawn;
  for (const Listener& listener : listeners) {
    for (const auto& socket : listener.sockets) spawn.keep(socket->descriptor());
  }
  pid_t pid = 0;
  const int error = spawn.start(pid, words, environment.data());
  if (error != 0) return fail(ErrorKind::io, Blame::us, "exec", cat(words[0], ": ", std::strerror(error)));
  return pid;
}

}  // namespace keepgate::process

// Supervisor: what the main thread does while workers serve: signals, reload, another binary, the service manager.
//
// Thread rule: the main thread's. Signals are blocked everywhere and waited for here. Lifetime: borrows what it is
// given.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "conf/load.h"
#include "process/pid_file.h"
#include "process/service_manager.h"
#include "process/workers.h"

namespace keepgate::process {

struct ServeOptions {
  conf::LoadOptions load;
  std::string error_log;         // -e
  char* const* words = nullptr;  // As main() got them: what a new binary is started with.
};

// Where errors go: `error_log` of the configuration, else -e, else standard error. False was logged.
// Where the log goes: "stderr" for standard error.
std::string error_log_path(const ServeOptions& options, const pipeline::Snapshot& snapshot);
bool open_error_log(const ServeOptions& options, const pipeline::Snapshot& snapshot);

class Supervisor {
 public:
  // `replaces`: another binary of ours started us, and may still be running on the same sockets.
  Supervisor(const ServeOptions& options, Workers& workers, PidFile& pid_file, bool replaces);

  static sigset_t block_signals();
  void run();  // Until a signal has ended it.

 private:
  // Another process accepts from our sockets, or may want to.
  bool shares_sockets() const;
  void handle(int number, const siginfo_t& info);
  void hang_up();
  void reload();
  void drain();
  void stop();
  void hibernate();
  void wake_up();
  void replace_binary();
  void look_after_successor();
  void check_health();
  void say_ready();
  int wait(siginfo_t& info) const;

  const ServeOptions& options_;
  Workers& workers_;
  PidFile& pid_file_;
  ServiceManager manager_;
  pid_t predecessor_ = 0;
  pid_t successor_ = 0;
  bool ending_ = false;
  bool hibernating_ = false;
  bool waking_up_ = false;  // The workers shall be back, and could not be started.
  std::int64_t health_period_ms_;
  std::int64_t health_due_ms_;
  std::set<unsigned> silent_;  // Workers that were reported.
};

}  // namespace keepgate::process

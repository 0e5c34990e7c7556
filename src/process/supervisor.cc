#include "process/supervisor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "logs/error_log.h"
#include "logs/log_file.h"
#include "process/open_files.h"
#include "process/successor.h"

namespace keepgate::process {

namespace {

constexpr std::int64_t health_period_ms_max = 5'000;
constexpr std::int64_t ending_poll_ms = 20;
constexpr int signals_handled[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD};

sigset_t handled() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int one : signals_handled) sigaddset(&signals, one);
  return signals;
}

std::int64_t now_ms() { return Now::read().monotonic_ms; }

// Asked once a period and looked at in the next: twice within what the service manager allows, and some to spare.
std::int64_t health_period_of(const ServiceManager& manager) {
  if (manager.watchdog_ms() <= 0) return health_period_ms_max;
  return std::clamp<std::int64_t>(manager.watchdog_ms() / 4, 1, health_period_ms_max);
}

}  // namespace

std::string error_log_path(const ServeOptions& options, const pipeline::Snapshot& snapshot) {
  const std::string& path = !snapshot.error_log_path.empty() ? snapshot.error_log_path : options.error_log;
  return path.empty() ? "stderr" : path;
}

bool open_error_log(const ServeOptions& options, const pipeline::Snapshot& snapshot) {
  const std::string path = error_log_path(options, snapshot);
  std::string error;
  if (logs::configure_error_log(path, snapshot.error_log_level, error)) return true;
  log(LogLevel::emerg, "error_log ", path, ": ", error);
  return false;
}

sigset_t Supervisor::block_signals() {
  const sigset_t signals = handled();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

Supervisor::Supervisor(const ServeOptions& options, Workers& workers, PidFile& pid_file, bool replaces)
    : options_(options),
      workers_(workers),
      pid_file_(pid_file),
      predecessor_(replaces ? ::getppid() : 0),
      health_period_ms_(health_period_of(manager_)),
      health_due_ms_(now_ms() + health_period_ms_) {}

bool Supervisor::shares_sockets() const { return successor_ > 0 || (predecessor_ > 1 && ::getppid() == predecessor_); }

void Supervisor::say_ready() {
  manager_.ready(
      cat("serving with ", workers_.count(), " workers, configuration ", workers_.current()->hash.substr(0, 12)));
}

int Supervisor::wait(siginfo_t& info) const {
  const std::int64_t patience_ms =
      ending_ ? ending_poll_ms : std::clamp<std::int64_t>(health_due_ms_ - now_ms(), 0, health_period_ms_);
  const timespec patience{patience_ms / 1000, patience_ms % 1000 * 1'000'000};
  const sigset_t signals = handled();
  return ::sigtimedwait(&signals, &info, &patience);
}

void Supervisor::run() {
  say_ready();
  while (true) {
    siginfo_t info{};
    const int number = wait(info);
    if (number > 0) handle(number, info);
    if (ending_ && workers_.finished()) return;
    if (now_ms() >= health_due_ms_) check_health();
  }
}

void Supervisor::handle(int number, const siginfo_t& info) {
  switch (number) {
    case SIGHUP:
      return hang_up();
    case SIGUSR1:
      logs::LogFile::reopen_all();
      return;
    case SIGUSR2:
      return replace_binary();
    case SIGWINCH:
      // A terminal sends it too, to whoever runs in it, when its window changes.
      if (info.si_code == SI_USER || info.si_code == SI_QUEUE) hibernate();
      return;
    case SIGQUIT:
      return drain();
    case SIGINT:
    case SIGTERM:
      return stop();
    case SIGCHLD:
      return look_after_successor();
    default:
      return;
  }
}

void Supervisor::hang_up() {
  if (ending_) return;
  const bool undo = hibernating_ && successor_ > 0;  // As in nginx: the old binary goes on as it was.
  if (hibernating_) wake_up();
  if (!undo) reload();
}

void Supervisor::reload() {
  manager_.reloading();
  conf::LoadOptions load = options_.load;
  load.previous = workers_.current();
  Diagnostics diagnostics;
  const auto snapshot = conf::load(load, diagnostics);
  std::string why;
  if (!snapshot) {
    why = diagnostics.render_line();
  } else {
    if (!diagnostics.all().empty()) log(LogLevel::warn, diagnostics.render_line());
    const auto done = workers_.reload(snapshot, shares_sockets() ? Sockets::hand_over : Sockets::close);
    if (!done) why = done.error().detail;
  }
  say_ready();
  if (!why.empty()) {
    log(LogLevel::emerg, "the configuration was not reloaded, the old one stays in force: ", why);
    manager_.status("the last reload failed, the old configuration stays in force: see the error log");
    return;
  }
  open_error_log(options_, *snapshot);
  limit_open_files(*snapshot);
  log(LogLevel::notice, "reconfigured, configuration ", snapshot->hash.substr(0, 12));
}

// A service manager ends a service whose main process ends: if there is a new binary, that is the main process now.
void Supervisor::drain() {
  if (ending_) return;
  if (hibernating_ && !shares_sockets()) wake_up();  // Somebody may be waiting in a queue.
  successor_ > 0 ? manager_.main_process(successor_) : manager_.stopping("finishing what is under way");
  log(LogLevel::notice, "gracefully shutting down");
  workers_.drain(shares_sockets() ? Sockets::hand_over : Sockets::close);
  ending_ = true;
}

void Supervisor::stop() {
  if (!ending_) successor_ > 0 ? manager_.main_process(successor_) : manager_.stopping("stopping");
  log(LogLevel::notice, "stopping");
  workers_.stop(shares_sockets() ? Sockets::hand_over : Sockets::close);
  ending_ = true;
}

void Supervisor::hibernate() {
  if (ending_ || hibernating_) return;
  log(LogLevel::notice, "gracefully shutting down the workers; the sockets stay open");
  workers_.drain(Sockets::hand_over);
  hibernating_ = true;
  manager_.status("no workers: HUP brings them back");
}

void Supervisor::wake_up() {
  if (const auto started = workers_.start(); !started) {
    log(LogLevel::alert, "the workers are not back yet: ", started.error().detail);
    waking_up_ = true;  // The next look at their health tries again.
    return;
  }
  hibernating_ = waking_up_ = false;
  log(LogLevel::notice, "the workers are back");
  say_ready();
}

void Supervisor::replace_binary() {
  if (ending_) return;
  if (shares_sockets()) {
    log(LogLevel::notice, "the signal to change the binary is ignored: first end the old or the new one");
    return;
  }
  if (!pid_file_.step_aside()) return;
  const auto pid = start_successor(options_.words, workers_.listeners());
  if (!pid) {
    log(LogLevel::alert, "the new binary cannot be started: ", pid.error().detail);
    pid_file_.step_back();
    return;
  }
  successor_ = *pid;
  log(LogLevel::notice, "start of new binary process ", successor_);
}

void Supervisor::look_after_successor() {
  int status = 0;
  if (successor_ <= 0 || ::waitpid(successor_, &status, WNOHANG) != successor_) return;
  const bool killed = WIFSIGNALED(status);
  log(LogLevel::notice, "new binary process ", successor_, killed ? " ended on signal " : " exited with code ",
      killed ? WTERMSIG(status) : WEXITSTATUS(status));
  successor_ = 0;
  pid_file_.step_back();
  if (hibernating_ && !ending_) wake_up();
}

// Says so when a worker's loop does not turn, and tells the service manager that all is well only while it is.
void Supervisor::check_health() {
  health_due_ms_ = now_ms() + health_period_ms_;
  workers_.reap();
  if (waking_up_ && !ending_) wake_up();
  const std::vector<unsigned> silent = workers_.ask();
  for (const unsigned number : silent) {
    if (silent_.insert(number).second) {
      log(LogLevel::alert, "worker ", number, " has not answered for ", health_period_ms_, " ms");
    }
  }
  std::erase_if(silent_, [&](unsigned number) {
    const bool back = std::ranges::find(silent, number) == silent.end();
    if (back) log(LogLevel::notice, "worker ", number, " answers again");
    return back;
  });
  if (silent.empty()) manager_.alive();
}

}  // namespace keepgate::process

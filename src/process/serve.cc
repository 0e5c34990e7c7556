// The order matters: what needs root's rights comes before they are given up, and threads come after that and after the
// fork; a process that cannot serve says so before its parent does.
#include "process/serve.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/log.h"
#include "base/version.h"
#include "logs/log_file.h"
#include "process/daemonize.h"
#include "process/inherited.h"
#include "process/open_files.h"
#include "process/privileges.h"

namespace keepgate::process {

namespace {

using SnapshotPointer = std::shared_ptr<const pipeline::Snapshot>;

SnapshotPointer load(const conf::LoadOptions& options, bool quiet) {
  Diagnostics diagnostics;
  SnapshotPointer snapshot = conf::load(options, diagnostics);
  if (!diagnostics.all().empty() && (diagnostics.has_errors() || !quiet)) {
    std::fputs(diagnostics.render_text().c_str(), stderr);
  }
  return snapshot;
}

void harden_process() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // A file at its limit (ulimit -f) is an error of a write, as a full disk is.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
  ::prctl(PR_SET_DUMPABLE, 0);  // Keys and tokens never reach a core file.
#endif
}

bool change_user(const pipeline::Snapshot& snapshot) {
  if (!snapshot.user) {
    if (::geteuid() == 0) log(LogLevel::warn, "running as root: `user NAME;` gives its rights up");
    return true;
  }
  if (const auto done = become(*snapshot.user); !done) {
    log(LogLevel::emerg, "user ", snapshot.user->name, ": ", done.error().detail);
    return false;
  }
  harden_process();  // Changing the user undoes it.
  return true;
}

// Who started it sees why it ends, wherever the log goes.
void say_failure(const ServeOptions& options, const pipeline::Snapshot& snapshot, const std::string& why) {
  log(LogLevel::emerg, why);
  const std::string path = error_log_path(options, snapshot);
  if (path != "stderr") std::fprintf(stderr, "keepgate: [emerg] %s\n", why.c_str());
}

// Bound, written, changed: all that may fail.
bool prepare(const ServeOptions& options, const SnapshotPointer& snapshot, const Inherited& inherited, Workers& workers,
             PidFile& pid_file) {
  if (!open_error_log(options, *snapshot)) return false;
  for (const std::string& remark : inherited.remarks) log(LogLevel::warn, remark);
  limit_open_files(*snapshot);
  if (const auto opened = workers.open(snapshot, inherited.listeners); !opened) {
    say_failure(options, *snapshot, opened.error().detail);
    return false;
  }
  for (const Listener& one : removed_listeners(inherited.listeners, workers.listeners())) {
    log(LogLevel::warn, "the inherited socket of ", one.address.text(), " is not in the configuration: closed");
  }
  return pid_file.write(snapshot->pid_file) && change_user(*snapshot);
}

int give_up(Workers& workers, bool replaces, PidFile& pid_file, Daemonizer& daemonizer) {
  workers.stop(replaces ? Sockets::hand_over : Sockets::close);
  workers.join();
  logs::LogFile::flush_all();
  pid_file.remove();
  daemonizer.report(EXIT_FAILURE);
  return EXIT_FAILURE;
}

}  // namespace

int serve(const ServeOptions& options) {
  Inherited inherited = take_inherited();
  conf::LoadOptions check = options.load;
  check.check_only = true;
  SnapshotPointer snapshot = load(check, false);
  if (!snapshot) return EXIT_FAILURE;
  Daemonizer daemonizer;
  if (snapshot->daemon && !inherited.replaces && !daemonizer.detach()) {
    std::fprintf(stderr, "keepgate: fork() failed: %s\n", std::strerror(errno));
    return EXIT_FAILURE;
  }
  harden_process();
  Supervisor::block_signals();
  snapshot = load(options.load, true);  // Now for real: logs are opened, after the fork.
  Workers workers;
  PidFile pid_file;
  if (!snapshot || !prepare(options, snapshot, inherited, workers, pid_file)) {
    return give_up(workers, inherited.replaces, pid_file, daemonizer);
  }
  const bool replaces = inherited.replaces;
  inherited.listeners.clear();
  if (const auto started = workers.start(); !started) {
    say_failure(options, *snapshot, started.error().detail);
    return give_up(workers, replaces, pid_file, daemonizer);
  }
  log(LogLevel::notice, "keepgate/" KG_VERSION_TEXT " serves with ", snapshot->worker_count, " workers, configuration ",
      snapshot->hash.substr(0, 12));
  daemonizer.report(EXIT_SUCCESS);
  snapshot.reset();
  Supervisor(options, workers, pid_file, replaces).run();
  workers.join();
  pid_file.remove();
  logs::LogFile::flush_all();
  return EXIT_SUCCESS;
}

}  // namespace keepgate::process

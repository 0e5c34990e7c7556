// nginx's flags and the life of the server process: load, bind, serve, signals.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "base/bytes.h"
#include "base/version.h"
#include "cli/command.h"
#include "conf/load.h"
#include "logs/error_log.h"
#include "logs/log_file.h"
#include "process/open_files.h"
#include "process/workers.h"

namespace keepgate::cli {

namespace {

using SnapshotPointer = std::shared_ptr<const pipeline::Snapshot>;

struct Flags {
  conf::LoadOptions load;
  std::string error_log;  // -e
  std::string signal;     // -s
  bool test = false, dump = false, quiet = false;
  bool version = false, build = false, help = false;
};

constexpr std::string_view default_configuration = "/etc/keepgate/keepgate.conf";

constexpr std::string_view usage =
    "Examples:\n"
    "  keepgate -c keepgate.conf               serve\n"
    "  keepgate -t -c keepgate.conf            check the configuration, bind nothing\n"
    "  keepgate -s reload -c keepgate.conf     tell the running program\n"
    "  keepgate explain GET /orders/7 --as client1 -c keepgate.conf\n"
    "  keepgate help                           all verbs\n"
    "\n"
    "Usage: keepgate [-?hvVtTq] [-s signal] [-p prefix] [-e filename] [-c filename] [-g directives]\n"
    "\n"
    "  -c FILE        configuration file (default: /etc/keepgate/keepgate.conf)\n"
    "  -p PREFIX      where relative paths start (default: the folder of the configuration file)\n"
    "  -g DIRECTIVES  global directives, read before the file\n"
    "  -e FILE        error log file\n"
    "  -t             test the configuration and exit\n"
    "  -T             test the configuration, dump it and exit\n"
    "  -q             no messages but errors while testing\n"
    "  -s SIGNAL      reload, quit, stop or reopen\n"
    "  -v, -V         version; with build details\n"
    "  -h, -?         this help\n";

bool is_switch(char c) { return std::strchr("tTqvVh?", c) != nullptr; }

bool set_switch(Flags& flags, char c) {
  switch (c) {
    case 't':
      return flags.test = true;
    case 'T':
      return flags.test = flags.dump = true;
    case 'q':
      return flags.quiet = true;
    case 'v':
      return flags.version = true;
    case 'V':
      return flags.version = flags.build = true;
    default:
      return flags.help = true;
  }
}

std::string* value_of(Flags& flags, char c) {
  switch (c) {
    case 'c':
      return &flags.load.file;
    case 'p':
      return &flags.load.prefix;
    case 'g':
      return &flags.load.global_directives;
    case 'e':
      return &flags.error_log;
    case 's':
      return &flags.signal;
    default:
      return nullptr;
  }
}

// As nginx: switches may stand together (-tq), a value may follow its letter at once (-cFILE).
bool read_flags(int argc, char** argv, Flags& flags, std::string& error) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") return flags.help = true;
    if (word == "--version") return flags.version = true;
    if (word.size() < 2 || word[0] != '-') {
      error = cat("invalid option: \"", word, '"');
      return false;
    }
    for (std::size_t at = 1; at < word.size(); ++at) {
      const char letter = word[at];
      if (is_switch(letter)) {
        set_switch(flags, letter);
        continue;
      }
      std::string* value = value_of(flags, letter);
      if (!value) {
        error = cat("invalid option: \"", letter, '"');
        return false;
      }
      if (at + 1 < word.size()) {
        *value = word.substr(at + 1);
      } else if (i + 1 < argc) {
        *value = argv[++i];
      } else {
        error = cat("option \"-", letter, "\" requires an argument");
        return false;
      }
      break;
    }
  }
  return true;
}

void say(const std::string& line) {
  std::fputs(line.c_str(), stderr);
  std::fputc('\n', stderr);
}

int show_version(bool build) {
  say("keepgate version: keepgate/" KG_VERSION_TEXT);
  if (build) say("built with " __VERSION__ ", C++23; OpenSSL 3, simdjson, libyaml, PCRE2");
  return exit_ok;
}

SnapshotPointer load(const conf::LoadOptions& options, bool quiet) {
  Diagnostics diagnostics;
  SnapshotPointer snapshot = conf::load(options, diagnostics);
  if (!diagnostics.all().empty() && (diagnostics.has_errors() || !quiet)) {
    std::fputs(diagnostics.render_text().c_str(), stderr);
  }
  return snapshot;
}

void dump(const pipeline::Snapshot& snapshot) {
  for (const std::string& file : snapshot.configuration_files) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    std::printf("# configuration file %s:\n%s\n", file.c_str(), text.str().c_str());
  }
}

int test_configuration(Flags& flags) {
  flags.load.check_only = true;
  const SnapshotPointer snapshot = load(flags.load, flags.quiet);
  if (!snapshot) {
    say(cat("keepgate: configuration file ", flags.load.file, " test failed"));
    return exit_failure;
  }
  if (!flags.quiet) {
    say(cat("keepgate: the configuration file ", flags.load.file, " syntax is ok"));
    say(cat("keepgate: configuration file ", flags.load.file, " test is successful"));
  }
  if (flags.dump) dump(*snapshot);
  return exit_ok;
}

std::optional<pid_t> read_pid(const std::string& path) {
  std::ifstream in(path);
  long pid = 0;
  if (!(in >> pid) || pid <= 1) return std::nullopt;
  return static_cast<pid_t>(pid);
}

int send_signal(Flags& flags) {
  const int number = flags.signal == "reload"   ? SIGHUP
                     : flags.signal == "quit"   ? SIGQUIT
                     : flags.signal == "stop"   ? SIGTERM
                     : flags.signal == "reopen" ? SIGUSR1
                                                : 0;
  if (number == 0) {
    say(cat("keepgate: invalid option: \"-s ", flags.signal, "\" (reload, quit, stop or reopen)"));
    return exit_usage;
  }
  flags.load.check_only = true;
  const SnapshotPointer snapshot = load(flags.load, true);
  if (!snapshot) return exit_failure;
  if (snapshot->pid_file.empty()) {
    say("keepgate: the configuration names no pid file: add `pid FILE;`");
    return exit_failure;
  }
  const auto pid = read_pid(snapshot->pid_file);
  if (!pid) {
    say(cat("keepgate: no process id in ", snapshot->pid_file, ": is it running?"));
    return exit_failure;
  }
  if (::kill(*pid, number) != 0) {
    say(cat("keepgate: kill(", *pid, ", ", number, ") failed: ", std::strerror(errno)));
    return exit_failure;
  }
  return exit_ok;
}

// Never through a symbolic link: a pid file is written with our rights where others may have a say.
bool write_pid(const std::string& path) {
  if (path.empty()) return true;
  ::unlink(path.c_str());
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    log(LogLevel::emerg, "the pid file ", path, " cannot be written: ", std::strerror(errno));
    return false;
  }
  const std::string text = cat(::getpid(), "\n");
  const bool written = ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(descriptor);
  return written;
}

// The parent of a daemon waits until the child serves, or says that it cannot.
class Daemonizer {
 public:
  // In the child: true. In the parent: does not return.
  bool detach() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child > 0) {
      ::close(ends[1]);
      char status = exit_failure;
      if (::read(ends[0], &status, 1) != 1) status = exit_failure;
      ::_exit(status);
    }
    ::close(ends[0]);
    report_ = ends[1];
    ::setsid();
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
      ::dup2(null, STDIN_FILENO);
      ::dup2(null, STDOUT_FILENO);
      ::close(null);
    }
    return true;
  }
  void report(int status) {
    if (report_ < 0) return;
    const char byte = static_cast<char>(status);
    [[maybe_unused]] const auto written = ::write(report_, &byte, 1);
    ::close(report_);
    report_ = -1;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && status == exit_ok) ::dup2(null, STDERR_FILENO);
    if (null >= 0) ::close(null);
  }

 private:
  int report_ = -1;
};

void harden_process() {
  ::signal(SIGPIPE, SIG_IGN);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
  ::prctl(PR_SET_DUMPABLE, 0);  // Keys and tokens never reach a core file.
#endif
}

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int one : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH}) sigaddset(&signals, one);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

bool open_error_log(const Flags& flags, const pipeline::Snapshot& snapshot) {
  const std::string& path = !snapshot.error_log_path.empty() ? snapshot.error_log_path : flags.error_log;
  std::string error;
  if (logs::configure_error_log(path.empty() ? "stderr" : path, snapshot.error_log_level, error)) return true;
  log(LogLevel::emerg, "error_log: ", error);
  return false;
}

void reload(const Flags& flags, process::Workers& workers) {
  conf::LoadOptions options = flags.load;
  options.previous = workers.current();
  Diagnostics diagnostics;
  const SnapshotPointer snapshot = conf::load(options, diagnostics);
  if (!snapshot) {
    log(LogLevel::emerg, "the configuration was not reloaded, the old one stays in force:\n",
        diagnostics.render_text());
    return;
  }
  if (!diagnostics.all().empty()) log(LogLevel::warn, diagnostics.render_text());
  if (const auto done = workers.reload(snapshot); !done) {
    log(LogLevel::emerg, "the configuration was not reloaded, the old one stays in force: ", done.error().detail);
    return;
  }
  open_error_log(flags, *snapshot);
  process::limit_open_files(*snapshot);
  log(LogLevel::notice, "reconfigured, configuration ", snapshot->hash.substr(0, 12));
}

// Until a signal ends it. While draining, a TERM still ends it at once.
void wait_for_signals(const Flags& flags, process::Workers& workers, const sigset_t& signals) {
  bool ending = false;
  while (true) {
    const timespec poll{0, 20'000'000};
    const int number = ending ? ::sigtimedwait(&signals, nullptr, &poll) : ::sigwaitinfo(&signals, nullptr);
    switch (number) {
      case SIGHUP:
        if (!ending) reload(flags, workers);
        break;
      case SIGUSR1:
        logs::LogFile::reopen_all();
        break;
      case SIGQUIT:
        if (!ending) workers.drain(process::Sockets::close);
        ending = true;
        break;
      case SIGINT:
      case SIGTERM:
        workers.stop();
        ending = true;
        break;
      case SIGUSR2:
      case SIGWINCH:
        log(LogLevel::warn, "replacing the running binary (USR2, WINCH) is not built yet; the signal is ignored");
        break;
      default:
        break;
    }
    if (ending && workers.finished()) return;
  }
}

int serve(Flags& flags) {
  conf::LoadOptions options = flags.load;
  options.check_only = true;
  SnapshotPointer snapshot = load(options, false);
  if (!snapshot) return exit_failure;
  Daemonizer daemonizer;
  if (snapshot->daemon && !daemonizer.detach()) {
    say(cat("keepgate: fork() failed: ", std::strerror(errno)));
    return exit_failure;
  }
  harden_process();
  const sigset_t signals = block_signals();
  snapshot = load(flags.load, true);  // Now for real: logs are opened, after the fork.
  process::Workers workers;
  if (!snapshot || !open_error_log(flags, *snapshot)) {
    daemonizer.report(exit_failure);
    return exit_failure;
  }
  process::limit_open_files(*snapshot);
  if (const auto opened = workers.open(snapshot); !opened) {
    log(LogLevel::emerg, opened.error().detail);
    logs::LogFile::flush_all();
    daemonizer.report(exit_failure);
    return exit_failure;
  }
  if (!write_pid(snapshot->pid_file)) {
    daemonizer.report(exit_failure);
    return exit_failure;
  }
  workers.start();
  log(LogLevel::notice, "keepgate/" KG_VERSION_TEXT " serves with ", snapshot->worker_count, " workers, configuration ",
      snapshot->hash.substr(0, 12));
  const std::string pid_file = snapshot->pid_file;
  daemonizer.report(exit_ok);
  snapshot.reset();
  wait_for_signals(flags, workers, signals);
  workers.join();
  if (!pid_file.empty()) ::unlink(pid_file.c_str());
  logs::LogFile::flush_all();
  return exit_ok;
}

}  // namespace

int run_daemon(int argc, char** argv) {
  Flags flags;
  std::string error;
  if (!read_flags(argc, argv, flags, error)) {
    say(cat("keepgate: ", error));
    return exit_usage;
  }
  if (flags.version) return show_version(flags.build);
  if (flags.help) {
    std::fwrite(usage.data(), 1, usage.size(), stdout);
    return exit_ok;
  }
  if (flags.load.file.empty()) flags.load.file = default_configuration;
  if (!flags.signal.empty()) return send_signal(flags);
  if (flags.test) return test_configuration(flags);
  return serve(flags);
}

int run(int argc, char** argv) {
  if (argc > 1 && argv[1][0] != '-') {
    for (const Command& command : commands()) {
      if (command.name == argv[1]) return command.run(argc - 1, argv + 1);
    }
    std::vector<std::string_view> names;
    for (const Command& command : commands()) names.push_back(command.name);
    const std::string_view meant = closest_match(argv[1], names);
    say(cat("keepgate: unknown verb '", argv[1], "'", meant.empty() ? "" : cat("; did you mean '", meant, "'?")));
    return exit_usage;
  }
  return run_daemon(argc, argv);
}

}  // namespace keepgate::cli

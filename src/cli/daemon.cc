// nginx's flags: test a configuration, send a signal, or serve.
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "base/bytes.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/lookup.h"
#include "cli/output.h"
#include "conf/load.h"
#include "process/pid_file.h"
#include "process/serve.h"

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
  flags.load.check_only = flags.load.looks_around = true;
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

// What is wrong elsewhere in the configuration must not keep anybody from ending the program; a reload would fail.
int send_signal(const Flags& flags) {
  const int number = flags.signal == "reload"   ? SIGHUP
                     : flags.signal == "quit"   ? SIGQUIT
                     : flags.signal == "stop"   ? SIGTERM
                     : flags.signal == "reopen" ? SIGUSR1
                                                : 0;
  if (number == 0) {
    say(cat("keepgate: invalid option: \"-s ", flags.signal, "\" (reload, quit, stop or reopen)"));
    return exit_usage;
  }
  Diagnostics diagnostics;
  const std::string path = conf::read_pid_path(flags.load, diagnostics);
  if (diagnostics.has_errors() && (number == SIGHUP || path.empty())) {
    std::fputs(diagnostics.render_text().c_str(), stderr);
    return exit_failure;
  }
  if (path.empty()) {
    say("keepgate: the configuration names no pid file: add `pid FILE;`");
    return exit_failure;
  }
  std::string why;
  const auto pid = process::read_pid_file(path, why);
  if (!pid) {
    say(cat("keepgate: ", why));
    return exit_failure;
  }
  if (::kill(*pid, number) != 0) {
    say(cat("keepgate: kill(", *pid, ", ", number, ") failed: ", std::strerror(errno)));
    return exit_failure;
  }
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
  return process::serve({flags.load, flags.error_log, argv});
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

// The command line: `keepgate VERB …` beside nginx's daemon flags. One file per verb, one row in table.cc.
//
// Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 denied. Answers go to standard output, words for people to
// standard error. Secrets never come in argv and are never prompted for off a terminal. Thread rule: main thread.
#pragma once

#include <span>
#include <string_view>

namespace keepgate::cli {

enum ExitCode : int { exit_ok = 0, exit_failure = 1, exit_usage = 2, exit_not_found = 3, exit_denied = 4 };

struct Command {
  std::string_view name;              // "token"
  std::string_view summary;           // One line for `keepgate help`.
  int (*run)(int argc, char** argv);  // argv[0] is the verb.
};

std::span<const Command> commands();

// nginx's flags: -c -p -g -e -t -T -q -s -v -V -h. Runs the server in the end.
int run_daemon(int argc, char** argv);
// main(): a verb, or the daemon.
int run(int argc, char** argv);

}  // namespace keepgate::cli

// The table of verbs. What the design names and nobody has built is a row too: it says so instead of being unknown.
#include "base/bytes.h"
#include "base/diagnostics.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

constexpr Command verbs[] = {
    {"help", "this list, or the help of one verb", run_help},
    {"check", "all complaints about a configuration, as text or JSON", run_check},
    {"explain", "why one request is allowed or denied: location, credentials, policy", run_explain},
    {"who-can", "every identity that may make a call, and the rule that lets it", run_who_can},
    {"policy", "policy test: run the tests in a policy file", run_policy},
    {"token", "mint, inspect and verify tokens", run_token},
    {"key", "make API keys, list, rotate and revoke them", run_key},
    {"jwk", "make keys that sign tokens, write their public halves", run_jwk},
    {"client", "clients of the authorization server: make, list, delete them", run_client},
    {"user", "users of the authorization server: make, list, disable them", run_user},
    {"revoke", "take back a token, a grant, all of a client or of a user", run_revoke},
    {"what-can", "every endpoint that an identity may call (not built yet)", run_not_built},
    {"bypass-test", "try to reach a service past its gateway (not built yet)", run_not_built},
    {"status", "what a running program is doing (not built yet)", run_not_built},
    {"completion", "completions for bash, zsh and fish (not built yet)", run_not_built},
};

}  // namespace

std::span<const Command> commands() { return verbs; }

int run_not_built(int argc, char** argv) {
  complain(argc > 0 ? argv[0] : "", "not built yet");
  return exit_usage;
}

std::string list_of(std::span<const Command> list) {
  std::vector<std::vector<std::string>> lines;
  for (const Command& row : list) {
    std::string summary(row.summary);
    if (!row.run) append(summary, ' ', not_built_mark);
    lines.push_back({cat("  ", row.name), std::move(summary)});
  }
  return table(lines);
}

namespace {

std::string help_of(const Noun& noun) {
  std::string out = "Examples:\n";
  for (const Example& one : noun.examples) {
    if (!one.meaning.empty()) append(out, "  # ", one.meaning, "\n");
    append(out, "  ", one.line, "\n");
  }
  append(out, "\nUsage: keepgate ", noun.name, " VERB …\n\n", list_of(noun.rows), "\n`keepgate help ", noun.name,
         " VERB` says more.\n");
  return out;
}

bool asks_for_help(std::string_view word) { return word == "--help" || word == "-h"; }

}  // namespace

int run_noun(const Noun& noun, int argc, char** argv) {
  if (argc < 2) {
    complain(noun.name, "a verb is missing");
    say(help_of(noun));
    return exit_usage;
  }
  const std::string_view word = argv[1];
  if (asks_for_help(word)) return print(help_of(noun));
  std::vector<std::string_view> names;
  for (const Command& row : noun.rows) {
    names.push_back(row.name);
    if (row.name != word) continue;
    if (row.run) return row.run(argc - 1, argv + 1);
    complain(cat(noun.name, ' ', word), "not built yet");
    return exit_usage;
  }
  const std::string_view meant = closest_match(word, names);
  complain(noun.name,
           cat("unknown verb '", printable(word, 40), "'", meant.empty() ? "" : cat("; did you mean '", meant, "'?")));
  return exit_usage;
}

}  // namespace keepgate::cli

// `keepgate help [VERB [VERB]]`: the list of verbs, or what the verb itself says to --help.
#include <vector>

#include "base/bytes.h"
#include "base/diagnostics.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

std::string overview() {
  return cat(
      "Examples:\n"
      "  keepgate -c keepgate.conf                                        # serve\n"
      "  keepgate explain GET /orders/7 --as client1 -c keepgate.conf     # why, or why not\n"
      "  keepgate policy test policy.yaml\n"
      "  keepgate key create --file api_keys --client orders-app\n"
      "  keepgate jwk create --alg ES256 --out issuer.jwk\n"
      "  keepgate token mint --key issuer.jwk --sub alice --out token\n"
      "\nUsage: keepgate [FLAG…]           the server, with nginx's flags: keepgate -h\n"
      "       keepgate VERB …\n\n",
      list_of(commands()),
      "\n`keepgate help VERB` starts with examples.\n"
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 denied.\n");
}

}  // namespace

int run_help(int argc, char** argv) {
  if (argc < 2 || std::string_view(argv[1]) == "help" || argv[1][0] == '-') return print(overview());
  std::vector<std::string_view> names;
  for (const Command& command : commands()) {
    names.push_back(command.name);
    if (command.name != argv[1]) continue;
    std::string ask = "--help";
    std::vector<char*> words(argv + 1, argv + argc);
    words.push_back(ask.data());
    return command.run(static_cast<int>(words.size()), words.data());
  }
  const std::string_view meant = closest_match(argv[1], names);
  complain("help", cat("unknown verb '", printable(argv[1], 40), "'",
                       meant.empty() ? "" : cat("; did you mean '", meant, "'?")));
  return exit_usage;
}

}  // namespace keepgate::cli

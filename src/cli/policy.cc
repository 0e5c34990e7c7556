// `keepgate policy test`: runs the tests that stand in policy files.
#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "cli/lookup.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

using crypto::Json;
using policy::Policy;
using PolicyPointer = std::shared_ptr<const Policy>;

int run_policy_test(int argc, char** argv);

constexpr Command policy_verbs[] = {
    {"test", "run the tests in policy files", run_policy_test},
    {"show", "what a rule means, in Cedar", nullptr},
    {"diff", "who gains and who loses what between two policies", nullptr},
    {"replay", "yesterday's log against this policy", nullptr},
    {"lint", "rules that never match or open more than they seem to", nullptr},
    {"eval", "evaluate requests in Cedar's own forms", nullptr},
    {"validate", "strict validation against a schema", nullptr},
};
constexpr Example policy_examples[] = {
    {"keepgate policy test policy.yaml", ""},
    {"keepgate policy test -c keepgate.conf", "every policy that the configuration uses"},
};

// Each combination of files that is in effect somewhere, once.
std::vector<PolicyPointer> policies_of(const pipeline::Snapshot& snapshot) {
  std::vector<PolicyPointer> out;
  for (const pipeline::LocationConfig& location : snapshot.locations) {
    if (!location.policy) continue;
    const auto same = [&](const PolicyPointer& one) { return one->hash() == location.policy->hash(); };
    if (std::ranges::none_of(out, same)) out.push_back(location.policy);
  }
  return out;
}

policy::TestReport run_all(const std::vector<PolicyPointer>& policies) {
  policy::TestReport total;
  std::set<std::string> seen;  // A file that stands in several combinations fails once for each message.
  for (const PolicyPointer& one : policies) {
    policy::TestReport report = one->run_tests();
    total.passed += report.passed;
    for (policy::TestReport::Failure& failure : report.failures) {
      if (seen.insert(cat(failure.place, "\n", failure.message)).second) total.failures.push_back(std::move(failure));
    }
  }
  return total;
}

std::string as_text(const policy::TestReport& report) {
  std::string out;
  for (const policy::TestReport::Failure& failure : report.failures) {
    append(out, painted(Colour::red, "failed"), ' ', failure.place, ": ", failure.message, "\n");
  }
  append(out, report.passed, " passed, ", report.failures.size(), " failed\n");
  return out;
}

std::string as_json(const policy::TestReport& report) {
  Json::Array failures;
  for (const policy::TestReport::Failure& failure : report.failures) {
    JsonObject one;
    one.add("place", failure.place).add("message", failure.message);
    failures.push_back(one.take());
  }
  JsonObject out;
  out.add("passed", static_cast<std::int64_t>(report.passed));
  out.add("failed", static_cast<std::int64_t>(report.failures.size())).add("failures", Json(std::move(failures)));
  return pretty(out.take());
}

int run_policy_test(int argc, char** argv) {
  Where where;
  std::vector<std::string> files;
  Arguments arguments("policy test", "Runs the tests that stand in policy files; exits 1 if one fails.",
                      {{"keepgate policy test policy.yaml", ""},
                       {"keepgate policy test common.yaml orders.yaml", "together: several files accumulate"},
                       {"keepgate policy test -c keepgate.conf", "every policy that the configuration uses"}});
  arguments.operands("FILE", files, "policy files, read together");
  arguments.option("-c,--config", "FILE", where.configuration, "take the policies of this configuration");
  arguments.option("-p,--prefix", "FOLDER", where.prefix,
                   "where its relative paths start (default: the file's folder)");
  arguments.option("--output", "FORMAT", where.output, "table or json (default: table)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (where.output != "table" && where.output != "json") return arguments.usage_error("--output: table or json");
  if (files.empty() == where.configuration.empty()) return arguments.usage_error("either FILE… or -c FILE");

  std::vector<PolicyPointer> policies;
  if (files.empty()) {
    const auto snapshot = load_configuration(where);
    if (!snapshot) return exit_failure;
    policies = policies_of(*snapshot);
    if (policies.empty()) say("warning: no policy is in effect in this configuration");
  } else {
    PolicyPointer policy = load_policy(files);
    if (!policy) return exit_failure;
    policies.push_back(std::move(policy));
  }
  const policy::TestReport report = run_all(policies);
  if (report.passed + report.failures.size() == 0) say("warning: there are no tests");
  const int code = print(where.output == "json" ? as_json(report) : as_text(report));
  return report.failures.empty() ? code : int{exit_failure};
}

}  // namespace

int run_policy(int argc, char** argv) { return run_noun({"policy", policy_verbs, policy_examples}, argc, argv); }

}  // namespace keepgate::cli

// The `tests:` of the files, asked of the policy as it decides.
#include <set>

#include "base/bytes.h"
#include "policy/policy_impl.h"
#include "policy/rule_text.h"

namespace keepgate::policy {

namespace {

// A test that names no service asks for the one that the rules name, if it is exactly one; else for none ("").
std::string usual_service(const RuleBook& book) {
  std::set<std::string_view> services;
  for (const Rule& rule : book.rules) services.insert(rule.services.begin(), rule.services.end());
  return services.size() == 1 ? std::string(*services.begin()) : std::string();
}

std::string failure_text(const TestCase& test, const Explanation& why) {
  const std::string where = test.service.empty() ? test.path : cat(test.service, ':', test.path);
  const Decision& decision = why.decision;
  if (!test.may) {
    return cat(describe(test.principal.get()), " may ", test.method, ' ', where, " but must not (rule ", decision.rule,
               ")");
  }
  std::string text = cat(describe(test.principal.get()), " may not ", test.method, ' ', where, " but must (");
  append(text, decision.rule.empty() ? std::string("no rule allows it") : cat("rule ", decision.rule, " denies it"),
         ")");
  if (!why.nearest.empty()) append(text, "; ", why.nearest);
  return text;
}

}  // namespace

TestReport Policy::run_tests() const {
  TestReport report;
  const std::string usual = usual_service(impl_->book);
  for (TestCase test : impl_->book.tests) {
    if (!test.service_given) test.service = usual;
    const Request request{test.principal.get(), test.service, test.method, test.path};
    if ((authorize(request).verdict == Verdict::allow) == test.may) {
      ++report.passed;
    } else {
      report.failures.push_back({test.place, failure_text(test, explain(request))});
    }
  }
  return report;
}

}  // namespace keepgate::policy

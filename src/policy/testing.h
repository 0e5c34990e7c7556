// Short forms for this room's tests. Thread rule: tests only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace keepgate::policy::test {

inline std::shared_ptr<const Policy> load(std::string text, std::string name = "policy.yaml") {
  const std::vector<Source> sources{{std::move(name), std::move(text)}};
  Diagnostics diagnostics;
  auto policy = Policy::load(sources, diagnostics);
  EXPECT_TRUE(policy) << diagnostics.render_text();
  return policy;
}

// All complaints about a text that must be refused.
inline Diagnostics refusals(std::string text, std::string name = "policy.yaml") {
  const std::vector<Source> sources{{std::move(name), std::move(text)}};
  Diagnostics diagnostics;
  EXPECT_EQ(Policy::load(sources, diagnostics), nullptr) << sources[0].text;
  EXPECT_TRUE(diagnostics.has_errors());
  return diagnostics;
}

struct Ask {
  std::string as;  // "client:web on behalf of user:alice"
  std::string method, path;
  std::string service = "";
  std::vector<std::string> roles = {}, scopes = {};
};

inline auth::Principal principal_of(const Ask& ask) {
  auth::Principal principal;
  std::string error;
  EXPECT_TRUE(Policy::parse_identity(ask.as, principal, error)) << error;
  principal.roles = ask.roles;
  principal.scopes = ask.scopes;
  return principal;
}

inline Decision decide(const Policy& policy, const Ask& ask) {
  const auth::Principal principal = principal_of(ask);
  return policy.authorize({&principal, ask.service, ask.method, ask.path});
}

inline bool allows(const Policy& policy, const Ask& ask) { return decide(policy, ask).verdict == Verdict::allow; }

}  // namespace keepgate::policy::test

// The policy: YAML files compiled into one immutable decision table (design: policy.md).
//
// Default deny; deny wins; order never matters. Without conditions (when/unless) every answer is exact. Thread rule:
// immutable after load, shared by all workers; authorize() allocates nothing when the principal's slot is warm.
//
// What a rule means where it could be read in two ways:
// - Several identities: any of them. client:x also where x acts for a user; user:x is the customer. Token roles and the
//   policy's `roles:` count alike. on_behalf_of asks in addition for a customer; a role there is the customer's own.
// - "*" is anybody identified. `deny: "*"` denies the anonymous caller too; `allow: "*"` does not let them in.
// - A principal without client, service and user is anonymous whatever roles and scopes it carries.
// - Methods are exact, but a deny rule for GET denies HEAD too. No methods, no paths or no service: any.
// - "/orders/" and "/orders/**" are what is below, "/orders/" itself among it, not "/orders". `*` is one segment.
// - All scopes of a rule are needed; a deny rule cannot ask for scopes. `mode:` of a rule goes before the file's.
// - Of several rules that decide alike, the first as written is the one named.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "base/diagnostics.h"

namespace keepgate::policy {

enum class Verdict : std::uint8_t { deny = 0, allow };
std::string_view name_of(Verdict verdict);

// What is asked. `path` is canonical and is the one the service receives. nullptr principal: anonymous.
struct Request {
  const auth::Principal* principal = nullptr;
  std::string_view service, method, path;
};

struct Decision {
  Verdict verdict = Verdict::deny;
  std::string_view rule;  // Id of the rule that decided; "" if none (default deny). Lives as long as the Policy.
  // The shadow rule that would decide otherwise if all shadow rules were enforced; "" if the verdict were the same.
  std::string_view shadow_rule;
};

struct Source {
  std::string name;  // As shown in diagnostics: the path as the operator wrote it.
  std::string text;
};

struct Explanation {
  Decision decision;
  struct Step {
    std::string rule;
    std::string place;  // "policy.yaml:12"
    bool forbids = false;
    bool decided = false;
    std::string why;  // "matches", "method DELETE is not among GET, PUT", "identity client:x is not …"
  };
  std::vector<Step> steps;  // Rules that decided or came near, the nearest first.
  std::string nearest;      // For a denial: the nearest rule that would have allowed and what it lacked; may be "".
};

// One identity that may make the call, and the rule that lets it.
struct Grant {
  std::string identity;  // "client:client1", "role:admins", "* (anybody identified)", "anonymous"
  std::string rule;
  std::string place;
  std::string condition;  // Residual: scopes it needs, "unless" other denials; "" if none.
};

struct TestReport {
  std::size_t passed = 0;
  struct Failure {
    std::string place;    // "policy.yaml:31"
    std::string message;  // "client:client1 may DELETE /orders/7 but must not (rule orders-all)"
  };
  std::vector<Failure> failures;
};

class Policy {
 public:
  // All files together; several accumulate. nullptr when there are errors (all of them are in `diagnostics`).
  static std::shared_ptr<const Policy> load(std::span<const Source> sources, Diagnostics& diagnostics);
  ~Policy();

  Decision authorize(const Request& request) const;
  Explanation explain(const Request& request) const;
  std::vector<Grant> who_can(std::string_view service, std::string_view method, std::string_view path) const;
  // The files' `tests:`, by the verdicts as enforced (a shadow rule counts for nothing). A test without a service asks
  // for the one service that the rules name, if it is exactly one; else for "", which only rules without service match.
  TestReport run_tests() const;

  const std::string& hash() const;   // SHA-256 of names and texts, hex.
  std::uint64_t generation() const;  // Unique in this process.
  std::size_t rule_count() const;

  // "client:web", "user:alice", "client:web on behalf of user:alice", "anonymous", bare name = client; with roles by
  // the policy's own `roles:`. For the command line and tests. Nothing if it cannot be read.
  static bool parse_identity(std::string_view text, auth::Principal& out, std::string& error);

 private:
  Policy();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::policy

// What every notation is read into, before it is compiled: rules, roles and tests as the author wrote them.
//
// Validated text, no indexes: the reference evaluator and explain work on it as it stands. Thread rule: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"

namespace keepgate::policy {

inline constexpr std::size_t methods_max = 60;  // Different methods in one policy.

enum class Effect : std::uint8_t { forbid = 0, permit };
enum class Mode : std::uint8_t { enforce = 0, shadow };

// Whom a rule names. `nobody` matches nothing.
enum class NameKind : std::uint8_t { nobody = 0, client, user, service, role, anybody, anonymous };

struct Name {
  NameKind kind = NameKind::nobody;
  std::string text;  // "*": any named one of this kind. Empty for anybody and anonymous. A validated name holds no '*'.

  bool any_of_kind() const { return text == "*"; }
  bool operator==(const Name&) const = default;
};

// A rule matches when every list that is not empty has an entry that matches; of the scopes, all are needed.
struct Rule {
  std::string id;
  std::string place;  // "policy.yaml:12"
  Effect effect = Effect::forbid;
  Mode mode = Mode::enforce;
  std::vector<Name> identities;    // Never empty.
  std::vector<Name> on_behalf_of;  // Users and roles.
  std::vector<std::string> scopes;
  std::vector<std::string> services;
  std::vector<std::string> methods;
  std::vector<std::string> paths;  // Patterns, a trailing "/**" already written as "/".
};

// One question of a file's `tests:`.
struct TestCase {
  std::string place;
  std::shared_ptr<const auth::Principal> principal;  // One for all requests of a test.
  bool service_given = false;
  std::string service, method, path;
  bool may = false;
};

struct RuleBook {
  std::vector<Rule> rules;                                      // In the order of the files and of the rules in them.
  std::map<std::string, std::vector<Name>, std::less<>> roles;  // Without cycles.
  std::vector<TestCase> tests;
};

// "client:client1", "service:*", "spiffe://…", "*", "anonymous": as the author writes it.
std::string text_of(const Name& name);
std::string text_of(const std::vector<Name>& names, std::string_view separator);

}  // namespace keepgate::policy

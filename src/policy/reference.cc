#include "policy/reference.h"

#include <algorithm>
#include <set>

namespace keepgate::policy::reference {

namespace {

bool is_identified(const auth::Principal* principal) { return principal && principal->identified(); }

bool is(const std::string& name, const Name& wanted) {
  return !name.empty() && (wanted.text == "*" || wanted.text == name);
}

bool list_has(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

using Seen = std::set<std::string_view>;

// `seen`: a role that was asked before adds nothing when it is asked again.
bool has_role(const RuleBook& book, std::string_view role, const auth::Principal& principal, Seen& seen) {
  if (!seen.insert(role).second) return false;
  if (list_has(principal.roles, role)) return true;
  const auto defined = book.roles.find(role);
  if (defined == book.roles.end()) return false;
  for (const Name& member : defined->second) {
    if (member.kind == NameKind::client && is(principal.client, member)) return true;
    if (member.kind == NameKind::user && is(principal.user, member)) return true;
    if (member.kind == NameKind::service && is(principal.service, member)) return true;
    if (member.kind == NameKind::role && has_role(book, member.text, principal, seen)) return true;
  }
  return false;
}

bool is_named(const RuleBook& book, const Name& name, Effect effect, const auth::Principal* principal) {
  if (!is_identified(principal)) {
    if (name.kind == NameKind::anonymous) return true;
    return name.kind == NameKind::anybody && effect == Effect::forbid;
  }
  switch (name.kind) {
    case NameKind::anybody:
      return true;
    case NameKind::client:
      return is(principal->client, name);
    case NameKind::user:
      return is(principal->user, name);
    case NameKind::service:
      return is(principal->service, name);
    case NameKind::role: {
      Seen seen;
      return has_role(book, name.text, *principal, seen);
    }
    case NameKind::anonymous:
    case NameKind::nobody:
      return false;
  }
  return false;
}

bool contains(const RuleBook& book, const Name& name, const Name& member, Seen& seen) {
  if (name == member) return true;
  if (name.kind == NameKind::anybody) return member.kind != NameKind::anonymous && member.kind != NameKind::nobody;
  if (name.kind == member.kind && name.text == "*") return true;
  if (name.kind != NameKind::role || !seen.insert(name.text).second) return false;
  const auto defined = book.roles.find(name.text);
  if (defined == book.roles.end()) return false;
  return std::any_of(defined->second.begin(), defined->second.end(),
                     [&](const Name& listed) { return contains(book, listed, member, seen); });
}

// The first rule of this effect that matches, among those enforced or among all.
const Rule* first_match(const RuleBook& book, const Request& request, Effect effect, bool with_shadow) {
  for (const Rule& rule : book.rules) {
    if (rule.effect != effect) continue;
    if (rule.mode == Mode::shadow && !with_shadow) continue;
    if (matches(book, rule, request)) return &rule;
  }
  return nullptr;
}

struct Outcome {
  Verdict verdict = Verdict::deny;
  const Rule* rule = nullptr;
};

// Deny wins; nothing is denied without a rule that allows it, by default.
Outcome outcome(const RuleBook& book, const Request& request, bool with_shadow) {
  if (const Rule* rule = first_match(book, request, Effect::forbid, with_shadow)) return {Verdict::deny, rule};
  if (const Rule* rule = first_match(book, request, Effect::permit, with_shadow)) return {Verdict::allow, rule};
  return {Verdict::deny, nullptr};
}

}  // namespace

bool is_named(const RuleBook& book, const Rule& rule, const auth::Principal* principal) {
  for (const Name& name : rule.identities) {
    if (is_named(book, name, rule.effect, principal)) return true;
  }
  return false;
}

// The customer is the user alone: a role counts by its users and by the token's roles, not by the client.
bool acts_for_named_customer(const RuleBook& book, const Rule& rule, const auth::Principal* principal) {
  if (rule.on_behalf_of.empty()) return true;
  if (!is_identified(principal) || principal->user.empty()) return false;
  auth::Principal customer;
  customer.user = principal->user;
  customer.roles = principal->roles;
  for (const Name& name : rule.on_behalf_of) {
    if (is_named(book, name, rule.effect, &customer)) return true;
  }
  return false;
}

bool has_scopes(const Rule& rule, const auth::Principal* principal) {
  for (const std::string& scope : rule.scopes) {
    if (!is_identified(principal) || !list_has(principal->scopes, scope)) return false;
  }
  return true;
}

bool service_matches(const Rule& rule, std::string_view service) {
  return rule.services.empty() || list_has(rule.services, service);
}

bool method_matches(const Rule& rule, std::string_view method) {
  if (rule.methods.empty() || list_has(rule.methods, method)) return true;
  return rule.effect == Effect::forbid && method == "HEAD" && list_has(rule.methods, "GET");
}

bool path_matches(const Rule& rule, std::string_view path) {
  if (rule.paths.empty()) return true;
  for (const std::string& pattern : rule.paths) {
    if (path_matches(pattern, path)) return true;
  }
  return false;
}

// Letter by letter: a '*' takes letters up to the next '/', at least one; a pattern that has come to its final '/' has
// matched.
bool path_matches(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  if (path.empty()) return false;
  if (pattern == "/") return path.front() == '/';
  if (pattern.front() != '*') {
    return pattern.front() == path.front() && path_matches(pattern.substr(1), path.substr(1));
  }
  std::size_t taken = 0;
  while (taken < path.size() && path[taken] != '/') ++taken;
  return taken > 0 && path_matches(pattern.substr(1), path.substr(taken));
}

bool contains(const RuleBook& book, const Name& name, const Name& member) {
  Seen seen;
  return contains(book, name, member, seen);
}

bool matches(const RuleBook& book, const Rule& rule, const Request& request) {
  return is_named(book, rule, request.principal) && acts_for_named_customer(book, rule, request.principal) &&
         has_scopes(rule, request.principal) && service_matches(rule, request.service) &&
         method_matches(rule, request.method) && path_matches(rule, request.path);
}

Decision decide(const RuleBook& book, const Request& request) {
  const Outcome real = outcome(book, request, false);
  const Outcome with_shadow = outcome(book, request, true);
  Decision decision;
  decision.verdict = real.verdict;
  if (real.rule) decision.rule = real.rule->id;
  if (with_shadow.verdict != real.verdict) decision.shadow_rule = with_shadow.rule->id;
  return decision;
}

}  // namespace keepgate::policy::reference

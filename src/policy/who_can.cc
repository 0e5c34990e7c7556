// Who may make a call: each name in each rule that allows it, less what a deny rule takes away for certain, and with
// the condition that is left where it depends on more than the name.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "policy/policy_impl.h"
#include "policy/reference.h"
#include "policy/rule_text.h"

namespace keepgate::policy {

namespace {

// A name from an allow rule, and the customer that the rule asks for beside it.
struct Caller {
  Name name;
  std::optional<Name> customer;
};

bool names_one(const Name& name) { return !name.any_of_kind(); }

// Two names of one kind that nobody has at the same time.
bool disjoint(const Name& a, const Name& b) {
  const bool single = a.kind == NameKind::client || a.kind == NameKind::user || a.kind == NameKind::service;
  return single && a.kind == b.kind && names_one(a) && names_one(b) && a.text != b.text;
}

class Denials {
 public:
  Denials(const RuleBook& book, const Rule& rule) : book_(book), rule_(rule) {}

  // Whoever is this caller is denied, whatever else they are.
  bool cover(const Caller& caller) const {
    const std::optional<Name> customer = customer_of(caller);
    const bool named = std::any_of(rule_.identities.begin(), rule_.identities.end(), [&](const Name& denied) {
      return denied.kind == NameKind::anybody || reference::contains(book_, denied, caller.name) ||
             (customer && reference::contains(book_, denied, *customer));
    });
    if (!named || rule_.on_behalf_of.empty()) return named;
    return customer && std::any_of(rule_.on_behalf_of.begin(), rule_.on_behalf_of.end(),
                                   [&](const Name& denied) { return reference::contains(book_, denied, *customer); });
  }

  // "role:x (denied by rule y)" for each denied name that such a caller can also have.
  void add_conditions(const Caller& caller, std::vector<std::string>& out) const {
    const std::optional<Name> customer = customer_of(caller);
    std::string customers;
    for (const Name& denied : rule_.on_behalf_of) {
      if (customer && disjoint(denied, *customer)) continue;
      append(customers, customers.empty() ? " on behalf of " : " or ", text_of(denied));
    }
    if (customers.empty() && !rule_.on_behalf_of.empty()) return;
    if (caller.name.kind == NameKind::anonymous) return;  // The anonymous caller is nobody else.
    for (const Name& denied : rule_.identities) {
      if (denied.kind == NameKind::anonymous || disjoint(denied, caller.name)) continue;
      if (customer && disjoint(denied, *customer)) continue;
      const std::string who = denied.kind == NameKind::anybody ? "anybody" : text_of(denied);
      std::string text = cat("unless also ", who, customers, " (denied by rule ", rule_.id, ")");
      if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
    }
  }

 private:
  // Who is user:alice acts for alice.
  static std::optional<Name> customer_of(const Caller& caller) {
    if (caller.name.kind == NameKind::user) return caller.name;
    return caller.customer;
  }

  const RuleBook& book_;
  const Rule& rule_;
};

std::vector<Caller> callers_of(const Rule& rule, const Name& name) {
  if (rule.on_behalf_of.empty()) return {{name, std::nullopt}};
  std::vector<Caller> out;
  // The anonymous caller has no customer. Who is user:alice is not user:bob.
  if (name.kind == NameKind::anonymous) return out;
  for (const Name& customer : rule.on_behalf_of) {
    if (!disjoint(name, customer)) out.push_back({name, customer});
  }
  return out;
}

std::string identity_text(const Name& name) {
  return name.kind == NameKind::anybody ? "* (anybody identified)" : text_of(name);
}

std::optional<Grant> grant_of(const Rule& rule, const Name& name, const std::vector<Denials>& denials) {
  if (name.kind == NameKind::anonymous && !rule.scopes.empty()) return std::nullopt;
  std::vector<Name> customers;
  std::vector<std::string> conditions;
  bool any = false;
  for (const Caller& caller : callers_of(rule, name)) {
    if (std::any_of(denials.begin(), denials.end(), [&](const Denials& one) { return one.cover(caller); })) continue;
    any = true;
    if (caller.customer) customers.push_back(*caller.customer);
    for (const Denials& one : denials) one.add_conditions(caller, conditions);
  }
  if (!any) return std::nullopt;
  Grant grant{identity_text(name), rule.id, rule.place, {}};
  const auto say = [&](const auto&... pieces) {
    append(grant.condition, grant.condition.empty() ? "" : "; ", pieces...);
  };
  if (!customers.empty()) say("on behalf of ", text_of(customers, " or "));
  if (!rule.scopes.empty()) say("with scopes ", joined(rule.scopes, ", "));
  for (const std::string& condition : conditions) say(condition);
  return grant;
}

}  // namespace

std::vector<Grant> Policy::who_can(std::string_view service, std::string_view method, std::string_view path) const {
  const auto concerned = [&](const Rule& rule, Effect effect) {
    return rule.effect == effect && rule.mode == Mode::enforce && reference::service_matches(rule, service) &&
           reference::method_matches(rule, method) && reference::path_matches(rule, path);
  };
  std::vector<Denials> denials;
  for (const Rule& rule : impl_->book.rules) {
    if (concerned(rule, Effect::forbid)) denials.emplace_back(impl_->book, rule);
  }
  std::vector<Grant> out;
  for (const Rule& rule : impl_->book.rules) {
    if (!concerned(rule, Effect::permit)) continue;
    for (const Name& name : rule.identities) {
      if (auto grant = grant_of(rule, name, denials)) out.push_back(*std::move(grant));
    }
  }
  return out;
}

}  // namespace keepgate::policy

// Why a request is allowed or denied, in words; for people and the command line, not for each request.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "policy/policy_impl.h"
#include "policy/reference.h"
#include "policy/rule_text.h"

namespace keepgate::policy {

namespace {

constexpr std::size_t steps_max = 10;
// A rule that fails in more than one thing that identifies it (path, service, identity) is not near.
constexpr int near_max = 5;

// What a rule lacks for a request. The weights order the rules: a missing scope is nearer than another path.
struct Lack {
  const Rule* rule = nullptr;
  bool identity = false, customer = false, scopes = false, service = false, method = false, path = false;
  bool only_slash = false;  // The path would match with a '/' at its end.

  bool none() const { return !(identity || customer || scopes || service || method || path); }
  bool shadow() const { return rule->mode == Mode::shadow; }
  int distance() const {
    const int path_weight = only_slash ? 1 : 4;
    return identity * 3 + customer * 2 + scopes * 1 + service * 4 + method * 2 + path * path_weight + shadow() * 1;
  }
};

Lack lack_of(const RuleBook& book, const Rule& rule, const Request& request) {
  Lack lack;
  lack.rule = &rule;
  lack.identity = !reference::is_named(book, rule, request.principal);
  lack.customer = !reference::acts_for_named_customer(book, rule, request.principal);
  lack.scopes = !reference::has_scopes(rule, request.principal);
  lack.service = !reference::service_matches(rule, request.service);
  lack.method = !reference::method_matches(rule, request.method);
  lack.path = !reference::path_matches(rule, request.path);
  lack.only_slash = lack.path && !request.path.ends_with('/') && reference::path_matches(rule, cat(request.path, '/'));
  return lack;
}

std::string missing_scopes(const Rule& rule, const auth::Principal* principal) {
  std::string out;
  for (const std::string& scope : rule.scopes) {
    const bool held =
        principal && std::find(principal->scopes.begin(), principal->scopes.end(), scope) != principal->scopes.end();
    if (!held) append(out, out.empty() ? "" : ", ", scope);
  }
  return out;
}

std::string words_of(const Lack& lack, const Request& request) {
  const Rule& rule = *lack.rule;
  std::string out;
  const auto say = [&](const auto&... pieces) { append(out, out.empty() ? "" : "; ", pieces...); };
  const std::string who = describe(request.principal);
  if (lack.identity) say("identity ", printable(who), " is not ", text_of(rule.identities, " or "));
  if (lack.customer) say("it is not on behalf of ", text_of(rule.on_behalf_of, " or "));
  if (lack.service) {
    say("service ", request.service.empty() ? "(none)" : printable(request.service), " is not ",
        joined(rule.services, " or "));
  }
  if (lack.method) say("method ", printable(request.method), " is not among ", joined(rule.methods, ", "));
  if (lack.path) say("path ", printable(request.path), " does not match ", joined(rule.paths, " or "));
  if (lack.only_slash) say("a pattern that ends in / means what is below it");
  if (lack.scopes) say("scopes are missing: ", missing_scopes(rule, request.principal));
  if (lack.shadow()) say("it is in shadow mode");
  return out.empty() ? "matches" : out;
}

std::string name_of(const Rule& rule) { return rule.id == rule.place ? rule.id : cat(rule.id, " (", rule.place, ")"); }

std::string nearest_of(const std::vector<Lack>& lacks, const Request& request, const Decision& decision) {
  const Lack* best = nullptr;
  for (const Lack& lack : lacks) {
    if (lack.rule->effect != Effect::permit || lack.distance() > near_max) continue;
    if (!best || lack.distance() < best->distance()) best = &lack;
  }
  if (!best) return {};
  std::string out = cat("rule ", name_of(*best->rule));
  if (best->distance() == 0) return cat(out, " would allow it, but rule ", decision.rule, " denies it, and deny wins");
  append(out, " would allow it, but ", words_of(*best, request));
  if (!decision.rule.empty()) append(out, "; and rule ", decision.rule, " denies it");
  return out;
}

}  // namespace

Explanation Policy::explain(const Request& request) const {
  Explanation out;
  out.decision = authorize(request);
  std::vector<Lack> lacks;
  for (const Rule& rule : impl_->book.rules) {
    const Lack lack = lack_of(impl_->book, rule, request);
    if (lack.distance() <= near_max) lacks.push_back(lack);
  }
  const auto decided = [&](const Lack& lack) { return lack.rule->id == out.decision.rule; };
  std::sort(lacks.begin(), lacks.end(), [&](const Lack& a, const Lack& b) {
    if (decided(a) != decided(b)) return decided(a);
    if (a.distance() != b.distance()) return a.distance() < b.distance();
    return a.rule < b.rule;  // As written.
  });
  if (out.decision.verdict == Verdict::deny) out.nearest = nearest_of(lacks, request, out.decision);
  if (lacks.size() > steps_max) lacks.resize(steps_max);
  for (const Lack& lack : lacks) {
    out.steps.push_back(
        {lack.rule->id, lack.rule->place, lack.rule->effect == Effect::forbid, decided(lack), words_of(lack, request)});
  }
  return out;
}

}  // namespace keepgate::policy

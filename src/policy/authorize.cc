// The decision itself. It runs for each request: it allocates nothing and looks at no rule that cannot match.
#include <algorithm>
#include <bit>
#include <new>

#include "policy/compiled_rules.h"
#include "policy/policy_impl.h"

namespace keepgate::policy {

bool pattern_matches(std::string_view pattern, std::string_view path) {
  if (pattern.find('*') == pattern.npos) return pattern.ends_with('/') ? path.starts_with(pattern) : path == pattern;
  while (pattern.starts_with('/') && path.starts_with('/')) {
    pattern.remove_prefix(1);
    path.remove_prefix(1);
    if (pattern.empty()) return true;  // It ended in '/': whatever follows.
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    const std::string_view segment = path.substr(0, path.find('/'));
    if (wanted == "*" ? segment.empty() : wanted != segment) return false;
    pattern.remove_prefix(wanted.size());
    path.remove_prefix(segment.size());
  }
  return pattern.empty() && path.empty();
}

struct CompiledRules::Search {
  const CompiledRules& rules;
  const PrincipalRows& who;
  const std::string_view service;
  const std::size_t method;
  std::array<std::uint32_t, class_count> first;  // Rows; none: not yet.

  Search(const CompiledRules& in, const PrincipalRows& principal, std::string_view of_service, std::string_view by)
      : rules(in), who(principal), service(of_service), method(in.method_index(by)) {
    first.fill(none);
  }

  // Nothing behind an enforced deny matters.
  bool settled() const { return first[deny_row] != none; }

  void hit(std::uint32_t row) {
    std::size_t at = 0;
    while (row >= rules.class_begin_[at + 1]) ++at;
    first[at] = std::min(first[at], row);
  }

  bool allows_method(std::uint32_t row) const { return rules.rows_[row].methods >> method & 1; }

  // Few rows: each is tried.
  void try_each(std::string_view path) {
    for (const std::uint32_t row : who.rows) {
      const Rule& rule = *rules.rows_[row].rule;
      if (!allows_method(row)) continue;
      if (!rule.services.empty() &&
          std::find(rule.services.begin(), rule.services.end(), service) == rule.services.end()) {
        continue;
      }
      const auto matches = [&](const std::string& pattern) { return pattern_matches(pattern, path); };
      if (rule.paths.empty() || std::any_of(rule.paths.begin(), rule.paths.end(), matches)) hit(row);
      if (settled()) return;
    }
  }

  void take(std::uint32_t set_index) {
    if (set_index == 0) return;  // Also after a deny: the next set may hold one that was written earlier.
    const RowSet& set = rules.sets_[set_index];
    if (!set.words.empty()) return intersect(set);
    for (const std::uint32_t row : set.rows) {
      if ((who.words[row / 64] >> (row % 64) & 1) && allows_method(row)) hit(row);
    }
  }

  // Three bitsets; of each class only the words before the best hit so far.
  void intersect(const RowSet& set) {
    const std::uint64_t* const methods = rules.method_rows_[method].data();
    for (std::size_t at = 0; at < class_count && (at == deny_row || !settled()); ++at) {
      const std::size_t end = std::min(first[at], rules.class_begin_[at + 1] - 1) / 64 + 1;
      for (std::size_t word = rules.class_begin_[at] / 64; word < end && rules.class_begin_[at + 1] > 0; ++word) {
        const std::uint64_t both = set.words[word] & who.words[word] & methods[word];
        if (both == 0) continue;
        const auto row = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(both)));
        first[at] = std::min(first[at], row);
        break;
      }
    }
  }

  // `rest` is what follows a '/'. Depth is bounded by the longest pattern (path_segments_max), not by the request.
  void walk(std::uint32_t node_index, std::string_view rest) {
    const Node& node = rules.nodes_[node_index];
    take(node.below);
    if (!node.has_children && node.star == 0) return;
    const std::size_t end = rest.find('/');
    const std::string_view segment = rest.substr(0, end);
    if (segment.empty()) return;
    if (node.has_children) {
      const auto edge = rules.edges_.find(Edge{node_index, segment});
      if (edge != rules.edges_.end()) enter(edge->second, rest, end);
    }
    if (node.star != 0) enter(node.star, rest, end);
  }

  void enter(std::uint32_t node, std::string_view rest, std::size_t end) {
    if (end == rest.npos) return take(rules.nodes_[node].exact);
    walk(node, rest.substr(end + 1));
  }

  void root(std::uint32_t node, std::string_view path) {
    take(rules.nodes_[node].every);
    if (path.starts_with('/')) walk(node, path.substr(1));
  }
};

CompiledRules::Hits CompiledRules::match(const PrincipalRows& who, std::string_view service, std::string_view method,
                                         std::string_view path) const {
  Search search(*this, who, service, method);
  if (who.words.empty()) {
    search.try_each(path);
  } else {
    search.root(any_service_root, path);
    const auto edge = edges_.find(Edge{services_node, service});
    if (edge != edges_.end()) search.root(edge->second, path);
  }
  Hits hits{};
  for (std::size_t at = 0; at < class_count; ++at) {
    hits[at] =
        search.first[at] == none ? none : static_cast<std::uint32_t>(rows_[search.first[at]].rule - book_.rules.data());
  }
  return hits;
}

std::string_view name_of(Verdict verdict) { return verdict == Verdict::allow ? "allow" : "deny"; }

const CompiledRules::PrincipalRows* Policy::Impl::rows_of(const auth::Principal* principal) const {
  if (!principal || !principal->identified()) return &compiled->anonymous_rows();
  auth::Principal::PolicySlot& slot = principal->policy_slot;
  if (slot.policy_generation != generation || !slot.value) {
    slot.policy_generation = 0;
    try {
      slot.value = compiled->rows_of(principal);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    slot.policy_generation = generation;
  }
  return static_cast<const CompiledRules::PrincipalRows*>(slot.value.get());
}

Decision Policy::authorize(const Request& request) const {
  const CompiledRules::PrincipalRows* who = impl_->rows_of(request.principal);
  if (!who) return {};
  const auto hits = impl_->compiled->match(*who, request.service, request.method, request.path);
  const auto id = [&](CompiledRules::Class of) -> std::string_view {
    return hits[of] == CompiledRules::none ? std::string_view() : impl_->book.rules[hits[of]].id;
  };
  // A shadow rule matters where the verdict would be another one if all shadow rules were enforced.
  if (hits[CompiledRules::deny_row] != CompiledRules::none) {
    return {Verdict::deny, id(CompiledRules::deny_row), {}};
  }
  if (hits[CompiledRules::allow_row] != CompiledRules::none) {
    return {Verdict::allow, id(CompiledRules::allow_row), id(CompiledRules::shadow_deny_row)};
  }
  if (hits[CompiledRules::shadow_deny_row] != CompiledRules::none) return {};
  return {Verdict::deny, {}, id(CompiledRules::shadow_allow_row)};
}

}  // namespace keepgate::policy

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "policy/compiled_rules.h"

namespace keepgate::policy {

namespace {

// Up to so many patterns, trying each costs less than walking the trie.
constexpr std::size_t patterns_tried_max = 24;

CompiledRules::Class class_of(const Rule& rule) {
  if (rule.mode == Mode::enforce) {
    return rule.effect == Effect::forbid ? CompiledRules::deny_row : CompiledRules::allow_row;
  }
  return rule.effect == Effect::forbid ? CompiledRules::shadow_deny_row : CompiledRules::shadow_allow_row;
}

// INVARIANT: a validated name holds no '*', so the key of a wildcard is never the key of a name.
std::string key_of(NameKind kind, std::string_view name) {
  switch (kind) {
    case NameKind::client:
      return cat('c', name);
    case NameKind::user:
      return cat('u', name);
    case NameKind::service:
      return cat('s', name);
    case NameKind::role:
      return cat('r', name);
    case NameKind::nobody:
    case NameKind::anybody:
    case NameKind::anonymous:
      break;
  }
  return "-";
}

void add_keys(std::vector<std::string>& keys, NameKind kind, const std::string& name) {
  if (name.empty()) return;
  keys.push_back(key_of(kind, "*"));
  if (name != "*") keys.push_back(key_of(kind, name));
}

std::vector<std::string> keys_of(const auth::Principal& principal) {
  std::vector<std::string> keys;
  add_keys(keys, NameKind::client, principal.client);
  add_keys(keys, NameKind::service, principal.service);
  add_keys(keys, NameKind::user, principal.user);
  return keys;
}

bool holds(const std::vector<std::string>& sorted, const std::string& text) {
  return std::binary_search(sorted.begin(), sorted.end(), text);
}

void set_bit(std::vector<std::uint64_t>& words, std::uint32_t bit) {
  words[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

}  // namespace

std::size_t CompiledRules::EdgeHash::operator()(const Edge& edge) const {
  // The keys in the table are the operator's; a request only looks up, so that it cannot make the table slow.
  return std::hash<std::string_view>()(edge.segment) ^ (edge.node * std::size_t{0x9e3779b97f4a7c15});
}

CompiledRules::CompiledRules(const RuleBook& book) : book_(book) {
  lay_out_rows();
  index_identities();
  index_routes();
  anonymous_ = rows_of(nullptr);
}

void CompiledRules::lay_out_rows() {
  for (std::size_t at = 0; at < class_count; ++at) {
    class_begin_[at] = static_cast<std::uint32_t>(rows_.size());
    for (const Rule& rule : book_.rules) {
      if (class_of(rule) != at) continue;
      const auto patterns = static_cast<std::uint32_t>(1 + rule.paths.size() + rule.services.size());
      rows_.push_back({&rule, method_bits(rule), patterns, !rule.scopes.empty() || !rule.on_behalf_of.empty()});
    }
    rows_.resize((rows_.size() + 63) / 64 * 64);
  }
  class_begin_[class_count] = static_cast<std::uint32_t>(rows_.size());
  method_rows_.assign(methods_.size() + 1, std::vector<std::uint64_t>(words()));
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    for (std::size_t bit = 0; bit < method_rows_.size(); ++bit) {
      if (rows_[row].methods >> bit & 1) set_bit(method_rows_[bit], row);
    }
  }
}

// A rule without methods has every bit. What is granted is what is written; what is forbidden to GET is forbidden to
// HEAD, whose answer tells part of the same.
std::uint64_t CompiledRules::method_bits(const Rule& rule) {
  if (rule.methods.empty()) return ~std::uint64_t{0};
  std::uint64_t bits = 0;
  const auto add = [&](std::string_view method) {
    const std::size_t bit = method_index(method);
    if (bit == methods_.size()) methods_.emplace_back(method);
    bits |= std::uint64_t{1} << bit;
  };
  for (const std::string& method : rule.methods) {
    add(method);
    if (method == "GET" && rule.effect == Effect::forbid) add("HEAD");
  }
  return bits;
}

std::size_t CompiledRules::method_index(std::string_view method) const {
  std::size_t at = 0;
  while (at < methods_.size() && methods_[at] != method) ++at;
  return at;
}

void CompiledRules::index_identities() {
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    if (!rows_[row].rule) continue;
    for (const Name& name : rows_[row].rule->identities) {
      if (name.kind == NameKind::anybody) {
        rows_for_anybody_.push_back(row);
        // Denying everybody denies the anonymous too; allowing everybody identified does not let them in.
        if (rows_[row].rule->effect == Effect::forbid) rows_for_anonymous_.push_back(row);
      } else if (name.kind == NameKind::anonymous) {
        rows_for_anonymous_.push_back(row);
      } else if (name.kind != NameKind::nobody) {
        rows_by_name_[key_of(name.kind, name.text)].push_back(row);
      }
    }
  }
  for (const auto& [role, members] : book_.roles) {
    for (const Name& member : members) roles_by_member_[key_of(member.kind, member.text)].push_back(role);
  }
}

// All roles of whoever has these keys and token roles, sorted.
std::vector<std::string> CompiledRules::roles_of(std::vector<std::string> keys,
                                                 const std::vector<std::string>& token_roles) const {
  std::unordered_set<std::string> roles(token_roles.begin(), token_roles.end());
  for (const std::string& role : roles) keys.push_back(key_of(NameKind::role, role));
  while (!keys.empty()) {
    const std::string key = std::move(keys.back());
    keys.pop_back();
    const auto found = roles_by_member_.find(key);
    if (found == roles_by_member_.end()) continue;
    for (const std::string& role : found->second) {
      if (roles.insert(role).second) keys.push_back(key_of(NameKind::role, role));
    }
  }
  std::vector<std::string> sorted(roles.begin(), roles.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

bool CompiledRules::customer_matches(const Rule& rule, const auth::Principal& principal,
                                     const std::vector<std::string>& customer_roles) const {
  if (rule.on_behalf_of.empty()) return true;
  if (principal.user.empty()) return false;
  return std::any_of(rule.on_behalf_of.begin(), rule.on_behalf_of.end(), [&](const Name& name) {
    if (name.kind == NameKind::role) return holds(customer_roles, name.text);
    return name.kind == NameKind::user && (name.any_of_kind() || name.text == principal.user);
  });
}

// Of rows whose identities match, those whose scopes and customers match too.
void CompiledRules::keep_matching(std::vector<std::uint32_t>& rows, const auth::Principal& who) const {
  std::vector<std::string> scopes = who.scopes, customer_keys, customer_roles;
  std::sort(scopes.begin(), scopes.end());
  add_keys(customer_keys, NameKind::user, who.user);
  if (!who.user.empty()) customer_roles = roles_of(std::move(customer_keys), who.roles);
  std::erase_if(rows, [&](std::uint32_t row) {
    if (!rows_[row].asks_for_more) return false;
    const Rule& rule = *rows_[row].rule;
    const bool has_scopes = std::all_of(rule.scopes.begin(), rule.scopes.end(),
                                        [&](const std::string& scope) { return holds(scopes, scope); });
    return !has_scopes || !customer_matches(rule, who, customer_roles);
  });
}

std::shared_ptr<const CompiledRules::PrincipalRows> CompiledRules::rows_of(const auth::Principal* principal) const {
  static const auth::Principal anonymous;
  const bool identified = principal && principal->identified();
  // Roles and scopes without any name prove nothing: such a caller is anonymous in every respect.
  const auth::Principal& who = identified ? *principal : anonymous;
  auto out = std::make_shared<PrincipalRows>();
  std::vector<std::uint32_t>& rows = out->rows;
  rows = identified ? rows_for_anybody_ : rows_for_anonymous_;
  if (identified) {
    std::vector<std::string> keys = keys_of(who);
    for (const std::string& role : roles_of(keys, who.roles)) keys.push_back(key_of(NameKind::role, role));
    for (const std::string& key : keys) {
      const auto found = rows_by_name_.find(key);
      if (found != rows_by_name_.end()) rows.insert(rows.end(), found->second.begin(), found->second.end());
    }
  }
  if (!std::is_sorted(rows.begin(), rows.end())) std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  keep_matching(rows, who);

  std::size_t patterns = 0;
  for (const std::uint32_t row : rows) patterns += rows_[row].patterns;
  if (patterns > patterns_tried_max) {
    out->words.resize(words());
    for (const std::uint32_t row : rows) set_bit(out->words, row);
    rows.clear();  // The bitset says it shorter.
  }
  rows.shrink_to_fit();
  return out;
}

void CompiledRules::index_routes() {
  nodes_.resize(2);
  sets_.resize(1);
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    if (!rows_[row].rule) continue;
    const Rule& rule = *rows_[row].rule;
    std::vector<std::uint32_t> roots;
    for (const std::string& service : rule.services) roots.push_back(child(services_node, service));
    if (roots.empty()) roots.push_back(any_service_root);
    for (const std::uint32_t root : roots) {
      if (rule.paths.empty()) put(&Node::every, root, row);
      for (const std::string& pattern : rule.paths) add_pattern(root, pattern, row);
    }
  }
  finish_sets();
}

void CompiledRules::add_pattern(std::uint32_t root, std::string_view pattern, std::uint32_t row) {
  std::uint32_t node = root;
  for (std::string_view rest = pattern.substr(1);;) {
    const std::size_t end = rest.find('/');
    const std::string_view segment = rest.substr(0, end);
    if (segment.empty()) return put(&Node::below, node, row);  // Only the end of a pattern is empty: "/orders/".
    if (segment == "*") {
      if (nodes_[node].star == 0) {
        nodes_.emplace_back();
        nodes_[node].star = static_cast<std::uint32_t>(nodes_.size() - 1);
      }
      node = nodes_[node].star;
    } else {
      node = child(node, segment);
    }
    if (end == rest.npos) return put(&Node::exact, node, row);
    rest.remove_prefix(end + 1);
  }
}

std::uint32_t CompiledRules::child(std::uint32_t node, std::string_view segment) {
  const auto [edge, is_new] = edges_.emplace(Edge{node, segment}, static_cast<std::uint32_t>(nodes_.size()));
  if (is_new) nodes_.emplace_back();
  nodes_[node].has_children = true;
  return edge->second;
}

void CompiledRules::put(std::uint32_t Node::* which, std::uint32_t node, std::uint32_t row) {
  std::uint32_t& set = nodes_[node].*which;
  if (set == 0) {
    set = static_cast<std::uint32_t>(sets_.size());
    sets_.emplace_back();
  }
  std::vector<std::uint32_t>& rows = sets_[set].rows;
  if (rows.empty() || rows.back() != row) rows.push_back(row);  // Rows come in order.
}

void CompiledRules::finish_sets() {
  for (RowSet& set : sets_) {
    if (set.rows.size() <= words()) continue;
    set.words.resize(words());
    for (const std::uint32_t row : set.rows) set_bit(set.words, row);
    set.rows = {};
  }
}

}  // namespace keepgate::policy

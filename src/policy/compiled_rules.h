// The rules compiled: which of them a principal can match, and which of them a route can match, each found by lookup.
//
// Rules become rows, ordered by class (deny, allow, shadow deny, shadow allow) and, inside a class, as written; a class
// begins at a word of a bitset. A principal's set is exact: identities, customers and scopes are decided in it. A
// route's sets come from a trie of path segments per service. A decision is the first row of each class in both.
// Thread rule: immutable after construction. Lifetime: borrows the RuleBook, which must not move.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/principal.h"
#include "policy/ir.h"

namespace keepgate::policy {

class CompiledRules {
 public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  enum Class : std::uint8_t { deny_row = 0, allow_row, shadow_deny_row, shadow_allow_row };
  static constexpr std::size_t class_count = 4;

  explicit CompiledRules(const RuleBook& book);
  CompiledRules(const CompiledRules&) = delete;
  CompiledRules& operator=(const CompiledRules&) = delete;

  // The rows that a principal can match at all, ascending, in one of two forms.
  struct PrincipalRows {
    std::vector<std::uint32_t> rows;   // When there are few: each is tried.
    std::vector<std::uint64_t> words;  // When there are many, as a bitset; else empty.
  };
  // nullptr or not identified: the anonymous caller. Allocates; the result is what the principal's slot keeps.
  std::shared_ptr<const PrincipalRows> rows_of(const auth::Principal* principal) const;
  const PrincipalRows& anonymous_rows() const { return *anonymous_; }

  // For each class the first rule that matches, as its index in the book, or none. A class is left out when an
  // earlier one has settled the verdict: nothing is looked for behind an enforced deny.
  using Hits = std::array<std::uint32_t, class_count>;
  Hits match(const PrincipalRows& who, std::string_view service, std::string_view method, std::string_view path) const;

 private:
  static constexpr std::uint32_t services_node = 0;
  static constexpr std::uint32_t any_service_root = 1;

  struct Row {
    const Rule* rule = nullptr;  // nullptr: padding between the classes.
    std::uint64_t methods = 0;
    std::uint32_t patterns = 0;  // What trying it costs.
    bool asks_for_more = false;  // Scopes or a customer, beside an identity.
  };
  // Rows that share an end in the trie: a list when there are few, a bitset when that is shorter.
  struct RowSet {
    std::vector<std::uint32_t> rows;
    std::vector<std::uint64_t> words;
  };
  struct Node {
    std::uint32_t exact = 0;  // Sets, 0 is the empty one: the path ends here;
    std::uint32_t below = 0;  // it goes on, whatever follows;
    std::uint32_t every = 0;  // of a root: rules without a path.
    std::uint32_t star = 0;   // The child for any segment that is not empty; 0: none.
    bool has_children = false;
  };
  struct Edge {
    std::uint32_t node;
    std::string_view segment;
    bool operator==(const Edge&) const = default;
  };
  struct EdgeHash {
    std::size_t operator()(const Edge& edge) const;
  };
  struct Search;

  void lay_out_rows();
  void index_identities();
  void index_routes();
  void add_pattern(std::uint32_t root, std::string_view pattern, std::uint32_t row);
  void put(std::uint32_t Node::* which, std::uint32_t node, std::uint32_t row);
  std::uint32_t child(std::uint32_t node, std::string_view segment);
  void finish_sets();

  std::size_t method_index(std::string_view method) const;
  std::uint64_t method_bits(const Rule& rule);
  std::vector<std::string> roles_of(std::vector<std::string> keys, const std::vector<std::string>& token_roles) const;
  void keep_matching(std::vector<std::uint32_t>& rows, const auth::Principal& who) const;
  bool customer_matches(const Rule& rule, const auth::Principal& principal,
                        const std::vector<std::string>& customer_roles) const;
  std::size_t words() const { return rows_.size() / 64; }

  const RuleBook& book_;
  std::vector<Row> rows_;
  std::array<std::uint32_t, class_count + 1> class_begin_{};

  std::vector<std::string> methods_;                     // Bit i of Row::methods; one more bit for all other methods.
  std::vector<std::vector<std::uint64_t>> method_rows_;  // Per bit, which rows allow it.

  std::unordered_map<std::string, std::vector<std::uint32_t>> rows_by_name_;   // Key: kind letter and name.
  std::unordered_map<std::string, std::vector<std::string>> roles_by_member_;  // The same key → roles that list it.
  std::vector<std::uint32_t> rows_for_anybody_, rows_for_anonymous_;
  std::shared_ptr<const PrincipalRows> anonymous_;

  std::vector<Node> nodes_;
  std::vector<RowSet> sets_;
  boost::unordered_flat_map<Edge, std::uint32_t, EdgeHash> edges_;  // Node 0 leads from a service's name to its root.
};

// Whether a validated pattern matches a canonical path.
bool pattern_matches(std::string_view pattern, std::string_view path);

}  // namespace keepgate::policy

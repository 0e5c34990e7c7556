// nginx's location search (design: nginx-semantics §5), exactly: = , ^~, longest prefix, regexes in order, nesting, and
// the rule that regexes of the outer level beat a nested prefix unless ^~.
//
// Locations are numbered by the caller. Cost: about one pass over the path however many prefixes there are.
// Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "route/regex.h"

namespace keepgate::route {

enum class LocationMatch : std::uint8_t { prefix = 0, prefix_no_regex /* ^~ */, exact, regex, regex_no_case, named };

struct LocationRule {
  LocationMatch match = LocationMatch::prefix;
  std::string pattern;               // "/api/", "\.json$", "@name"
  std::uint32_t location = 0;        // The caller's number.
  std::vector<LocationRule> nested;  // In file order.
};

// Why each candidate won or lost, for explain.
struct LocationStep {
  std::uint32_t location;
  bool won;
  std::string why;  // "longest matching prefix", "regex matched first", "shorter prefix", …
};

class LocationTree {
 public:
  LocationTree();
  LocationTree(LocationTree&&) noexcept;
  LocationTree& operator=(LocationTree&&) noexcept;
  ~LocationTree();

  // On failure (duplicate location, bad regex, nested location outside its parent) false and `error` says which.
  bool build(std::vector<LocationRule> rules, std::string& error);

  struct Found {
    std::optional<std::uint32_t> location;  // Nothing: the server's own configuration answers (404 without content).
    bool failed = false;  // A regex hit its limits: no location; answer 500, as nginx, never with a looser location.
    // nginx: request "/x" where `location /x/ { proxy_pass }` → 301 to "/x/" (see set_auto_redirect).
    bool add_slash = false;
  };
  // `path` is canonical. `sink` learns what groups of regexes took.
  Found find(std::string_view path, CaptureSink* sink = nullptr) const;
  // Which groups go to which slots. Before the tree is shared; false: a group has too high a number.
  bool bind_groups(const SlotOf& slot_of);
  // This location has a proxy_pass, so that the slash redirect applies. Before the tree is shared.
  void set_auto_redirect(std::uint32_t location);
  std::optional<std::uint32_t> find_named(std::string_view name) const;  // With its '@'.
  std::vector<LocationStep> explain(std::string_view path) const;

  struct Impl;  // location_tree.cc

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::route

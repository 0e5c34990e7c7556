#include "route/location_tree.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "route/path_trie.h"

namespace keepgate::route {

namespace {

constexpr std::size_t nested_levels_max = 64;
constexpr std::uint32_t no_node = PathTrie::none;

struct Entry {
  std::uint32_t location = 0;
  std::uint32_t children = no_node;  // The level of its nested locations.
  bool forbids_regexes = false;      // ^~
};

struct RegexEntry {
  Regex regex;
  std::uint32_t entry;
};

// The locations inside one location, or those of the server.
struct Level {
  PathTrie names;
  std::vector<RegexEntry> regexes;  // In file order.
};

// How the search of one level ended.
enum class End : std::uint8_t {
  open,       // Nothing final: regexes of the levels around may still win.
  decided,    // "=" or a regex: final.
  add_slash,  // Final: a redirect.
  failed,     // A regex could not be matched: final, nothing is chosen.
};

bool is_regex(LocationMatch match) { return match == LocationMatch::regex || match == LocationMatch::regex_no_case; }

std::string quoted(const LocationRule& rule) { return cat("location \"", printable(rule.pattern), "\""); }

}  // namespace

struct LocationTree::Impl {
  std::vector<Entry> entries;
  std::vector<Level> levels;  // The first is the server's.
  boost::unordered_flat_map<std::string, std::uint32_t> named;
  boost::unordered_flat_set<std::uint32_t> auto_redirect;

  bool add_level(std::vector<LocationRule>& rules, const LocationRule* parent, std::size_t depth, std::string& error,
                 std::uint32_t& number);
  bool add_entry(LocationRule& rule, std::size_t depth, std::string& error, std::uint32_t& number);
  bool add_named(const LocationRule& rule, std::string& error);
  bool redirects(std::uint32_t entry) const {
    return entry != no_node && auto_redirect.contains(entries[entry].location);
  }
};

namespace {

// nginx's rules on what may stand inside what.
bool may_nest(const LocationRule& rule, const LocationRule* parent, std::string& error) {
  if (!parent) return true;
  if (parent->match == LocationMatch::exact) {
    error = cat(quoted(rule), " cannot be inside the exact ", quoted(*parent));
  } else if (parent->match == LocationMatch::named) {
    error = cat(quoted(rule), " cannot be inside the named ", quoted(*parent));
  } else if (rule.match == LocationMatch::named) {
    error = cat("named ", quoted(rule), " can be on the server level only");
  } else if (!is_regex(rule.match) && !rule.pattern.starts_with(parent->pattern)) {
    error = cat(quoted(rule), " is outside ", quoted(*parent));
  } else {
    return true;
  }
  return false;
}

}  // namespace

bool LocationTree::Impl::add_named(const LocationRule& rule, std::string& error) {
  const auto number = static_cast<std::uint32_t>(entries.size());
  entries.push_back({rule.location, no_node, false});
  if (!rule.nested.empty()) return may_nest(rule.nested.front(), &rule, error);
  if (named.emplace(rule.pattern, number).second) return true;
  error = cat("duplicate ", quoted(rule));
  return false;
}

bool LocationTree::Impl::add_entry(LocationRule& rule, std::size_t depth, std::string& error, std::uint32_t& number) {
  number = static_cast<std::uint32_t>(entries.size());
  entries.push_back({rule.location, no_node, rule.match == LocationMatch::prefix_no_regex});
  if (rule.nested.empty()) return true;
  std::uint32_t children = no_node;
  if (!add_level(rule.nested, &rule, depth + 1, error, children)) return false;
  entries[number].children = children;
  return true;
}

bool LocationTree::Impl::add_level(std::vector<LocationRule>& rules, const LocationRule* parent, std::size_t depth,
                                   std::string& error, std::uint32_t& number) {
  if (depth > nested_levels_max) {
    error = cat("locations are nested more than ", nested_levels_max, " levels deep");
    return false;
  }
  number = static_cast<std::uint32_t>(levels.size());
  levels.emplace_back();
  boost::unordered_flat_map<std::string_view, PathTrie::Terminal> terminals;
  std::vector<RegexEntry> regexes;
  for (LocationRule& rule : rules) {
    if (!may_nest(rule, parent, error)) return false;
    if (rule.match == LocationMatch::named) {
      if (!add_named(rule, error)) return false;
      continue;
    }
    std::uint32_t entry = no_node;
    if (!add_entry(rule, depth, error, entry)) return false;
    if (is_regex(rule.match)) {
      auto regex = Regex::compile(rule.pattern, rule.match == LocationMatch::regex_no_case, error);
      if (!regex) return false;
      regexes.push_back({*std::move(regex), entry});
      continue;
    }
    PathTrie::Terminal& terminal = terminals[rule.pattern];
    std::uint32_t& place = rule.match == LocationMatch::exact ? terminal.exact : terminal.prefix;
    if (place != no_node) {
      error = cat("duplicate ", quoted(rule));
      return false;
    }
    place = entry;
  }
  std::vector<PathTrie::Name> names;
  for (const auto& [text, terminal] : terminals) names.push_back({std::string(text), terminal});
  levels[number].names.build(std::move(names));
  levels[number].regexes = std::move(regexes);
  return true;
}

namespace {

// One search. `steps` is set by explain() only.
class Search {
 public:
  Search(const LocationTree::Impl& tree, std::string_view path, std::vector<LocationStep>* steps, CaptureSink* sink)
      : tree_(tree), path_(path), steps_(steps), sink_(sink) {}

  End level(std::uint32_t number);
  std::uint32_t chosen() const { return chosen_; }

 private:
  End static_names(const Level& level, std::uint32_t& prefix, std::size_t& prefix_step);
  End regexes(const Level& level, std::size_t prefix_step);

  std::size_t note(std::uint32_t entry, std::string_view why) {
    if (!steps_) return 0;
    steps_->push_back({tree_.entries[entry].location, false, std::string(why)});
    return steps_->size() - 1;
  }
  void add_note(std::size_t step, std::string_view why) {
    if (steps_) (*steps_)[step].why.append(why);
  }

  const LocationTree::Impl& tree_;
  std::string_view path_;
  std::vector<LocationStep>* steps_;
  CaptureSink* sink_;
  std::uint32_t chosen_ = no_node;
};

End Search::level(std::uint32_t number) {
  const Level& level = tree_.levels[number];
  std::uint32_t prefix = no_node;
  std::size_t prefix_step = 0;
  if (const End end = static_names(level, prefix, prefix_step); end != End::open) return end;
  if (prefix != no_node) {
    const Entry& entry = tree_.entries[prefix];
    if (entry.children != no_node) {
      // INVARIANT: what a nested level leaves open is decided by the regexes out here, even past an inner "^~";
      // only the "^~" of this level's own prefix keeps them out.
      if (const End end = this->level(entry.children); end != End::open) {
        add_note(prefix_step, ", a location nested in it decided");
        return end;
      }
      if (chosen_ != prefix) add_note(prefix_step, ", a nested prefix is longer");
    }
    if (entry.forbids_regexes) {
      if (steps_) {
        for (const RegexEntry& regex : level.regexes) note(regex.entry, "regex not tried, the prefix has ^~");
      }
      return End::open;
    }
  }
  return regexes(level, prefix_step);
}

// The names of one level: an exact one or a redirect is final, else `prefix` and chosen_ are the longest prefix.
End Search::static_names(const Level& level, std::uint32_t& prefix, std::size_t& prefix_step) {
  std::uint32_t exact = no_node;
  bool prefix_is_path = false;
  const PathTrie::Terminal slash =
      level.names.walk(path_, [&](const PathTrie::Terminal& here, std::size_t, bool whole) {
        if (here.prefix != no_node) {
          if (prefix != no_node) add_note(prefix_step, ", but shorter than another");
          prefix = here.prefix;
          prefix_is_path = whole;
          prefix_step = note(prefix, "prefix matches");
        }
        if (whole) exact = here.exact;
      });
  if (exact != no_node) {
    chosen_ = exact;
    if (prefix != no_node) add_note(prefix_step, ", but an exact location ends the search");
    note(exact, "exact match ends the search");
    return End::decided;
  }
  if (!prefix_is_path && (tree_.redirects(slash.exact) || tree_.redirects(slash.prefix))) {
    chosen_ = slash.exact != no_node ? slash.exact : slash.prefix;
    if (prefix != no_node) add_note(prefix_step, ", but the path with a slash behind it is a proxied location");
    note(chosen_, "the path lacks its last slash: redirected");
    return End::add_slash;
  }
  if (prefix != no_node) {
    chosen_ = prefix;
    add_note(prefix_step, ", the longest of its level");
  }
  return End::open;
}

End Search::regexes(const Level& level, std::size_t prefix_step) {
  for (std::size_t i = 0; i < level.regexes.size(); ++i) {
    const RegexEntry& candidate = level.regexes[i];
    const Regex::Match match = candidate.regex.match_for(path_, sink_);
    if (match == Regex::Match::no) {
      note(candidate.entry, "regex does not match");
      continue;
    }
    if (match == Regex::Match::failed) {
      // The next candidate could be less strict than this one: choose nothing.
      note(candidate.entry, "regex could not be matched within its limits: the search fails");
      chosen_ = no_node;
      return End::failed;
    }
    if (steps_ && chosen_ != no_node) add_note(prefix_step, ", but a regex of this level matches");
    const std::size_t step = note(candidate.entry, "regex matches first");
    if (steps_) {
      for (const RegexEntry& later : std::span(level.regexes).subspan(i + 1)) {
        note(later.entry, "regex not tried, an earlier one matched");
      }
    }
    chosen_ = candidate.entry;
    const std::uint32_t children = tree_.entries[candidate.entry].children;
    if (children == no_node) return End::decided;
    // As in nginx, a redirect that is found inside a regex location only selects its location.
    const End end = this->level(children);
    if (chosen_ != candidate.entry) add_note(step, ", a location nested in it decided");
    return end == End::failed ? end : End::decided;
  }
  return End::open;
}

}  // namespace

LocationTree::LocationTree() : impl_(std::make_unique<Impl>()) {}
LocationTree::LocationTree(LocationTree&&) noexcept = default;
LocationTree& LocationTree::operator=(LocationTree&&) noexcept = default;
LocationTree::~LocationTree() = default;

bool LocationTree::build(std::vector<LocationRule> rules, std::string& error) {
  auto built = std::make_unique<Impl>();
  std::uint32_t root = no_node;
  if (!built->add_level(rules, nullptr, 1, error, root)) return false;
  impl_ = std::move(built);
  return true;
}

LocationTree::Found LocationTree::find(std::string_view path, CaptureSink* sink) const {
  if (impl_->levels.empty()) return {};
  Search search(*impl_, path, nullptr, sink);
  const End end = search.level(0);
  Found found;
  found.failed = end == End::failed;
  found.add_slash = end == End::add_slash;
  if (search.chosen() != no_node) found.location = impl_->entries[search.chosen()].location;
  return found;
}

bool LocationTree::bind_groups(const SlotOf& slot_of) {
  for (Level& level : impl_->levels) {
    for (RegexEntry& one : level.regexes) {
      if (!one.regex.bind(slot_of)) return false;
    }
  }
  return true;
}

void LocationTree::set_auto_redirect(std::uint32_t location) { impl_->auto_redirect.insert(location); }

std::optional<std::uint32_t> LocationTree::find_named(std::string_view name) const {
  const auto found = impl_->named.find(std::string(name));
  if (found == impl_->named.end()) return std::nullopt;
  return impl_->entries[found->second].location;
}

std::vector<LocationStep> LocationTree::explain(std::string_view path) const {
  std::vector<LocationStep> steps;
  if (impl_->levels.empty()) return steps;
  Search search(*impl_, path, &steps, nullptr);
  search.level(0);
  if (search.chosen() == no_node) return steps;
  const std::uint32_t winner = impl_->entries[search.chosen()].location;
  const auto last = std::ranges::find(steps.rbegin(), steps.rend(), winner, &LocationStep::location);
  if (last != steps.rend()) last->won = true;
  return steps;
}

}  // namespace keepgate::route

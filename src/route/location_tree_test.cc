#include "route/location_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::route {
namespace {

using enum LocationMatch;

LocationTree built(std::vector<LocationRule> rules) {
  LocationTree tree;
  std::string error;
  EXPECT_TRUE(tree.build(std::move(rules), error)) << error;
  return tree;
}

std::string refusal(std::vector<LocationRule> rules) {
  LocationTree tree;
  std::string error;
  return tree.build(std::move(rules), error) ? "accepted" : error;
}

// The location, "/" behind it for a redirect, or "-".
std::string answer(const LocationTree::Found& found) {
  if (found.failed) return "failed";
  return found.location ? cat(*found.location, found.add_slash ? "/" : "") : "-";
}

void expect_answers(const LocationTree& tree, std::vector<std::pair<std::string_view, std::string_view>> rows) {
  for (const auto& [path, expected] : rows) EXPECT_EQ(answer(tree.find(path)), expected) << path;
}

TEST(LocationTree, answers_the_example_of_the_nginx_manual) {
  const LocationTree tree = built({{exact, "/", 1, {}},
                                   {prefix, "/", 2, {}},
                                   {prefix, "/documents/", 3, {}},
                                   {prefix_no_regex, "/images/", 4, {}},
                                   {regex_no_case, "\\.(gif|jpg|jpeg)$", 5, {}}});
  expect_answers(tree, {{"/", "1"},
                        {"/index.html", "2"},
                        {"/documents/document.html", "3"},
                        {"/images/1.gif", "4"},
                        {"/documents/1.jpg", "5"},
                        {"/documents/1.JPG", "5"},
                        {"/documents", "2"}});
}

TEST(LocationTree, a_server_level_regex_captures_paths_of_a_guarded_prefix) {
  const LocationRule trap{regex, "\\.json$", 2, {}};
  const LocationRule inner{prefix, "/api/warehouse/stock/", 3, {}};
  expect_answers(built({{prefix, "/api/warehouse/", 1, {inner}}, trap}), {{"/api/warehouse/x", "1"},
                                                                          {"/api/warehouse/x.json", "2"},
                                                                          {"/api/warehouse/stock/x", "3"},
                                                                          {"/api/warehouse/stock/x.json", "2"}});
  expect_answers(built({{prefix_no_regex, "/api/warehouse/", 1, {inner}}, trap}),
                 {{"/api/warehouse/x.json", "1"}, {"/api/warehouse/stock/x.json", "3"}, {"/other.json", "2"}});
}

TEST(LocationTree, an_inner_no_regex_prefix_does_not_keep_outer_regexes_out) {
  const LocationTree tree = built(
      {{prefix, "/a/", 1, {{prefix_no_regex, "/a/b/", 2, {}}, {regex, "x$", 3, {}}}}, {regex, "\\.json$", 4, {}}});
  expect_answers(tree, {{"/a/b/y", "2"}, {"/a/b/x", "2"}, {"/a/x", "3"}, {"/a/b/y.json", "4"}});
}

TEST(LocationTree, inner_regexes_come_before_outer_ones) {
  const LocationTree tree = built(
      {{regex, "\\.json$", 1, {}}, {prefix, "/a/", 2, {{regex, "\\.json$", 3, {}}, {exact, "/a/e.json", 4, {}}}}});
  expect_answers(tree, {{"/a/x.json", "3"}, {"/b.json", "1"}, {"/a/e.json", "4"}, {"/a/", "2"}, {"/b", "-"}});
}

TEST(LocationTree, regexes_are_tried_in_file_order) {
  const LocationTree tree = built({{regex, "b", 1, {}}, {regex, "a", 2, {}}, {regex, "ab", 3, {}}});
  expect_answers(tree, {{"/ab", "1"}, {"/a", "2"}, {"/c", "-"}});
}

TEST(LocationTree, locations_inside_a_regex_are_searched) {
  const LocationTree tree = built({{regex, "^/v", 1, {{regex, "x$", 2, {}}}}, {regex, "y$", 3, {}}});
  expect_answers(tree, {{"/v1", "1"}, {"/vx", "2"}, {"/vy", "1"}, {"/y", "3"}});
}

TEST(LocationTree, redirects_a_proxied_directory_without_its_slash) {
  LocationTree tree = built({{prefix, "/", 1, {}},
                             {prefix, "/x/", 2, {}},
                             {prefix, "/y/", 3, {}},
                             {exact, "/y", 4, {}},
                             {prefix, "/z/", 5, {}},
                             {prefix, "/z", 6, {}},
                             {prefix, "/static/", 7, {}},
                             {exact, "/e/", 8, {}},
                             {prefix, "/n/", 9, {{prefix, "/n/m/", 10, {}}}},
                             {prefix, "/long/", 11, {}},
                             {prefix, "/long/er/", 12, {}},
                             {regex, "^/x", 13, {}}});
  for (const std::uint32_t proxied : {2, 3, 5, 8, 9, 10, 11}) tree.set_auto_redirect(proxied);
  expect_answers(tree, {{"/x", "2/"},  // Even though a regex would match.
                        {"/x/", "13"},
                        {"/xx", "13"},
                        {"/y", "4"},       // "= /y" exists.
                        {"/z", "6"},       // A prefix "/z" exists.
                        {"/static", "1"},  // No proxy_pass there.
                        {"/e", "8/"},
                        {"/n", "9/"},
                        {"/n/m", "10/"},
                        {"/n/mm", "9"},
                        {"/long", "11/"},
                        {"/long/er", "11"}});
}

TEST(LocationTree, finds_named_locations_by_name_only) {
  const LocationTree tree = built({{named, "@fallback", 7, {}}, {prefix, "/", 1, {}}});
  EXPECT_EQ(tree.find_named("@fallback"), 7u);
  EXPECT_EQ(tree.find_named("@other"), std::nullopt);
  EXPECT_EQ(answer(tree.find("@fallback")), "-");
  EXPECT_EQ(answer(tree.find("/@fallback")), "1");
}

TEST(LocationTree, refuses_what_nginx_refuses) {
  EXPECT_EQ(refusal({{prefix, "/a", 1, {}}, {prefix, "/a", 2, {}}}), "duplicate location \"/a\"");
  EXPECT_EQ(refusal({{prefix, "/a", 1, {}}, {prefix_no_regex, "/a", 2, {}}}), "duplicate location \"/a\"");
  EXPECT_EQ(refusal({{exact, "/a", 1, {}}, {exact, "/a", 2, {}}}), "duplicate location \"/a\"");
  EXPECT_EQ(refusal({{named, "@a", 1, {}}, {named, "@a", 2, {}}}), "duplicate location \"@a\"");
  EXPECT_EQ(refusal({{prefix, "/a", 1, {{prefix, "/b", 2, {}}}}}), "location \"/b\" is outside location \"/a\"");
  EXPECT_EQ(refusal({{exact, "/a", 1, {{prefix, "/a/b", 2, {}}}}}),
            "location \"/a/b\" cannot be inside the exact location \"/a\"");
  EXPECT_EQ(refusal({{named, "@a", 1, {{regex, "b", 2, {}}}}}),
            "location \"b\" cannot be inside the named location \"@a\"");
  EXPECT_EQ(refusal({{prefix, "/a", 1, {{named, "@b", 2, {}}}}}),
            "named location \"@b\" can be on the server level only");
  EXPECT_NE(refusal({{regex, "(", 1, {}}}).find("at offset"), std::string::npos);
}

TEST(LocationTree, accepts_what_nginx_accepts) {
  EXPECT_EQ(refusal({{prefix, "/a", 1, {}}, {exact, "/a", 2, {}}}), "accepted");
  EXPECT_EQ(refusal({{prefix, "/a", 1, {{prefix, "/a", 2, {}}}}}), "accepted");
  EXPECT_EQ(refusal({{regex, "a", 1, {}}, {regex, "a", 2, {}}}), "accepted");
  EXPECT_EQ(refusal({{prefix, "/a", 1, {{regex, "^/b", 2, {}}}}}), "accepted");
  EXPECT_EQ(refusal({}), "accepted");
}

TEST(LocationTree, refuses_bottomless_nesting) {
  LocationRule rule{prefix, "/", 0, {}};
  for (std::uint32_t i = 1; i < 63; ++i) rule = {prefix, "/", i, {rule}};
  EXPECT_EQ(refusal({rule}), "accepted");
  rule = {prefix, "/", 63, {rule}};
  EXPECT_EQ(refusal({{prefix, "/", 64, {rule}}}), "locations are nested more than 64 levels deep");
}

TEST(LocationTree, a_failed_build_keeps_the_old_tree) {
  LocationTree tree = built({{prefix, "/", 1, {}}});
  std::string error;
  EXPECT_FALSE(tree.build({{regex, "(", 2, {}}}, error));
  EXPECT_EQ(answer(tree.find("/")), "1");
}

TEST(LocationTree, an_empty_tree_finds_nothing) {
  EXPECT_EQ(answer(LocationTree().find("/")), "-");
  EXPECT_TRUE(LocationTree().explain("/").empty());
  EXPECT_EQ(answer(built({}).find("/")), "-");
}

TEST(LocationTree, a_regex_that_cannot_be_matched_never_yields_a_looser_location) {
  set_log_sink([](LogLevel, std::string_view) {});
  const LocationTree tree = built({{prefix, "/", 1, {}}, {regex, "^/(a+)+$", 2, {}}, {regex, "a", 3, {}}});
  expect_answers(tree, {{"/" + std::string(4000, 'a') + "!", "failed"}, {"/aa", "2"}, {"/aa!", "3"}});
  EXPECT_EQ(tree.find("/" + std::string(4000, 'a') + "!").location, std::nullopt);
  set_log_sink(nullptr);
}

std::string steps_text(const std::vector<LocationStep>& steps) {
  std::string text;
  for (const LocationStep& step : steps) append(text, step.location, step.won ? " WON: " : ": ", step.why, "\n");
  return text;
}

TEST(LocationTree, explains_why_candidates_won_or_lost) {
  const LocationTree tree = built({{prefix, "/", 1, {}},
                                   {prefix, "/api/", 2, {{prefix, "/api/v1/", 3, {}}}},
                                   {regex, "\\.gif$", 4, {}},
                                   {regex, "\\.json$", 5, {}},
                                   {regex, "x", 6, {}},
                                   {prefix_no_regex, "/static/", 7, {}},
                                   {exact, "/api/", 8, {}}});
  EXPECT_EQ(
      steps_text(tree.explain("/api/v1/x.json")),
      "1: prefix matches, but shorter than another\n"
      "2: prefix matches, the longest of its level, a nested prefix is longer, but a regex of this level matches\n"
      "3: prefix matches, the longest of its level\n"
      "4: regex does not match\n"
      "5 WON: regex matches first\n"
      "6: regex not tried, an earlier one matched\n");
  EXPECT_EQ(steps_text(tree.explain("/static/a.gif")),
            "1: prefix matches, but shorter than another\n"
            "7 WON: prefix matches, the longest of its level\n"
            "4: regex not tried, the prefix has ^~\n"
            "5: regex not tried, the prefix has ^~\n"
            "6: regex not tried, the prefix has ^~\n");
  EXPECT_EQ(steps_text(tree.explain("/api/")),
            "1: prefix matches, but shorter than another\n"
            "2: prefix matches, but an exact location ends the search\n"
            "8 WON: exact match ends the search\n");
}

// The same search, written down as plainly as possible, against the fast one on random trees.

struct Slow {
  std::vector<std::uint32_t> proxied;
  const LocationRule* chosen = nullptr;

  bool redirects(const LocationRule* rule) const {
    return rule && std::ranges::find(proxied, rule->location) != proxied.end();
  }
  static const LocationRule* named_exactly(const std::vector<LocationRule>& rules, const std::string& name,
                                           bool is_exact) {
    for (const LocationRule& rule : rules) {
      const bool is_prefix = rule.match == prefix || rule.match == prefix_no_regex;
      if (rule.pattern == name && (is_exact ? rule.match == exact : is_prefix)) return &rule;
    }
    return nullptr;
  }

  // 'o' open, 'd' decided, 'r' redirect.
  char search(const std::vector<LocationRule>& rules, const std::string& path) {
    if (const LocationRule* rule = named_exactly(rules, path, true)) return chosen = rule, 'd';
    if (!named_exactly(rules, path, false)) {
      const LocationRule* slash_exact = named_exactly(rules, path + "/", true);
      const LocationRule* slash_prefix = named_exactly(rules, path + "/", false);
      if (redirects(slash_exact) || redirects(slash_prefix)) {
        return chosen = slash_exact ? slash_exact : slash_prefix, 'r';
      }
    }
    const LocationRule* best = nullptr;
    for (const LocationRule& rule : rules) {
      if (rule.match != prefix && rule.match != prefix_no_regex) continue;
      if (path.starts_with(rule.pattern) && (!best || rule.pattern.size() > best->pattern.size())) best = &rule;
    }
    if (best) {
      chosen = best;
      if (const char end = search(best->nested, path); end != 'o') return end;
      if (best->match == prefix_no_regex) return 'o';
    }
    for (const LocationRule& rule : rules) {
      if (rule.match != regex && rule.match != regex_no_case) continue;
      std::string error;
      if (!Regex::compile(rule.pattern, rule.match == regex_no_case, error)->matches(path)) continue;
      chosen = &rule;
      search(rule.nested, path);
      return 'd';
    }
    return 'o';
  }
};

class RandomTree {
 public:
  explicit RandomTree(std::uint32_t seed) : random_(seed) {}

  std::vector<LocationRule> level(const std::string& inside, int depth) {
    std::vector<LocationRule> rules;
    for (std::uint32_t count = below(5); count > 0; --count) {
      LocationRule rule;
      rule.location = next_++;
      constexpr LocationMatch kinds[] = {prefix, prefix, prefix_no_regex, exact, regex, regex_no_case};
      rule.match = kinds[below(std::size(kinds))];
      if (rule.match == regex || rule.match == regex_no_case) {
        constexpr std::string_view patterns[] = {"b$", "^/a", "a/", "/$", "A", "ba"};
        rule.pattern = patterns[below(std::size(patterns))];
        if (depth < 3 && below(2)) rule.nested = level("\x01", depth + 1);
      } else {
        if (inside == "\x01") continue;  // nginx wants the pattern's text in front: next to never useful.
        rule.pattern = inside.empty() ? "/" + text(3) : inside + text(3);
        const bool taken = std::ranges::any_of(rules, [&](const LocationRule& other) {
          return other.pattern == rule.pattern && other.match != regex && other.match != regex_no_case &&
                 (other.match == exact) == (rule.match == exact);
        });
        if (taken) continue;
        if (rule.match != exact && depth < 3) rule.nested = level(rule.pattern, depth + 1);
      }
      rules.push_back(rule);
    }
    return rules;
  }
  std::string text(std::uint32_t length_max) {
    std::string result;
    for (std::uint32_t length = below(length_max + 1); length > 0; --length) result += "ab/"[below(3)];
    return result;
  }
  std::uint32_t below(std::size_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  std::uint32_t count() const { return next_; }

 private:
  std::mt19937 random_;
  std::uint32_t next_ = 1;
};

TEST(LocationTree, finds_what_a_slow_search_finds_on_random_trees) {
  std::size_t redirects = 0, misses = 0;
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    RandomTree random(seed);
    const std::vector<LocationRule> rules = random.level("", 0);
    LocationTree tree = built(rules);
    Slow slow;
    for (std::uint32_t location = 1; location < random.count(); ++location) {
      if (random.below(2) == 0) continue;
      tree.set_auto_redirect(location);
      slow.proxied.push_back(location);
    }
    for (int i = 0; i < 30; ++i) {
      const std::string path = "/" + random.text(8);
      slow.chosen = nullptr;
      const bool add_slash = slow.search(rules, path) == 'r';
      const std::string expected = slow.chosen ? cat(slow.chosen->location, add_slash ? "/" : "") : "-";
      redirects += add_slash;
      misses += !slow.chosen;
      ASSERT_EQ(answer(tree.find(path)), expected) << "seed " << seed << " path " << path;
      const std::vector<LocationStep> steps = tree.explain(path);
      const auto won = std::ranges::find(steps, true, &LocationStep::won);
      ASSERT_EQ(won != steps.end(), slow.chosen != nullptr);
      if (slow.chosen) {
        ASSERT_EQ(won->location, slow.chosen->location);
      }
    }
  }
  EXPECT_GT(redirects, 100u);
  EXPECT_GT(misses, 100u);
}

TEST(LocationTree, finds_each_of_a_thousand_prefixes) {
  std::vector<LocationRule> rules{{prefix, "/", 0, {}}};
  for (std::uint32_t i = 1; i <= 1000; ++i) rules.push_back({prefix, cat("/api/service-", i, "/"), i, {}});
  const LocationTree tree = built(rules);
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    EXPECT_EQ(answer(tree.find(cat("/api/service-", i, "/orders/7"))), cat(i));
    EXPECT_EQ(answer(tree.find(cat("/api/service-", i))), "0");
  }
  EXPECT_EQ(answer(tree.find("/api/service-1001/")), "0");
}

TEST(LocationTree, a_chain_of_ten_thousand_prefixes_builds) {
  std::vector<LocationRule> rules;
  std::string name = "/";
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    rules.push_back({prefix, name, i, {}});
    name += 'a';
  }
  const LocationTree tree = built(std::move(rules));
  EXPECT_EQ(answer(tree.find("/aaa")), "3");
  EXPECT_EQ(answer(tree.find(name)), "9999");
}

// The first group of each match, in order.
struct Seen final : CaptureSink {
  void keep_groups(const Regex&, const Captures* groups) override {
    text += groups ? std::string(groups->at(1)) : "-";
    text += ' ';
  }
  std::string text;
};

TEST(LocationTree, tells_what_groups_took_of_the_regexes_that_matched) {
  const LocationTree tree =
      built({{regex, "^/(a+)/", 1, {{regex, "^/a+/(b+)$", 2, {}}, {regex, "^/a+/c$", 3, {}}}}, {prefix, "/x", 4, {}}});
  const auto seen = [&](std::string_view path) {
    Seen out;
    tree.find(path, &out);
    return out.text;
  };
  EXPECT_EQ(seen("/aa/bb"), "aa bb ");
  EXPECT_EQ(seen("/aa/c"), "aa - ");
  EXPECT_EQ(seen("/aa/d"), "aa ");
  EXPECT_EQ(seen("/x"), "");
}

}  // namespace
}  // namespace keepgate::route

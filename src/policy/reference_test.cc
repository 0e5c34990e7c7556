// The compiled rules against the reference, on random policies and requests.
#include "policy/reference.h"

#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "policy/yaml_front_end.h"

namespace keepgate::policy {
namespace {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }
  bool one_in(std::size_t times) { return below(times) == 0; }
  template <std::size_t N>
  std::string_view pick(const std::string_view (&from)[N]) {
    return from[below(N)];
  }

 private:
  std::mt19937_64 engine_;
};

constexpr std::string_view names[] = {"a", "b", "c", "d"};
constexpr std::string_view roles[] = {"r0", "r1", "r2", "r3"};
constexpr std::string_view scopes[] = {"s", "t"};
constexpr std::string_view services[] = {"x", "y"};
constexpr std::string_view methods[] = {"GET", "HEAD", "PUT", "DELETE"};
constexpr std::string_view asked_methods[] = {"GET", "HEAD", "PUT", "DELETE", "PATCH", "get", ""};
constexpr std::string_view segments[] = {"p", "q", "*", "p", "q", "pq"};

std::string random_name(Dice& dice) {
  switch (dice.below(12)) {
    case 0:
      return "\"*\"";
    case 1:
      return "anonymous";
    case 2:
      return "\"client:*\"";
    case 3:
      return "\"user:*\"";
    case 4:
      return cat("service:", dice.pick(names));
    case 5:
    case 6:
      return cat("user:", dice.pick(names));
    case 7:
    case 8:
    case 9:
      return cat("role:", dice.pick(roles));
    default:
      return cat("client:", dice.pick(names));
  }
}

template <typename Make>
std::string list(Dice& dice, std::size_t most, Make make) {
  std::string out = "[";
  for (std::size_t i = 0, count = 1 + dice.below(most); i < count; ++i) append(out, i > 0 ? ", " : "", make());
  return out + "]";
}

std::string random_pattern(Dice& dice) {
  std::string out;
  for (std::size_t i = 0, count = dice.below(4); i < count; ++i) append(out, '/', dice.pick(segments));
  if (out.empty() || dice.one_in(3)) out += dice.one_in(2) ? "/" : "/**";
  return cat('"', out, '"');
}

std::string random_rule(Dice& dice) {
  std::string out = "  - { ";
  const bool deny = dice.one_in(4);
  append(out, deny ? "deny: " : "allow: ", list(dice, 3, [&] { return random_name(dice); }));
  if (!dice.one_in(4)) append(out, ", permissions: ", list(dice, 2, [&] { return dice.pick(methods); }));
  const bool paths = !dice.one_in(5), service = dice.one_in(3);
  const std::string patterns = list(dice, 3, [&] { return random_pattern(dice); });
  if (service) {
    append(out, ", on: { service: ", list(dice, 2, [&] { return dice.pick(services); }));
    append(out, paths ? cat(", paths: ", patterns) : "", " }");
  } else if (paths) {
    append(out, ", on: ", patterns);
  }
  if (!deny && dice.one_in(5)) append(out, ", scopes: ", list(dice, 2, [&] { return dice.pick(scopes); }));
  if (dice.one_in(5)) {
    append(out, ", on_behalf_of: ", list(dice, 2, [&] {
             return dice.one_in(2) ? cat("role:", dice.pick(roles)) : cat("user:", dice.pick(names));
           }));
  }
  if (dice.one_in(5)) out += ", mode: shadow";
  return out + " }\n";
}

// A role lists names and roles after it, so that there is no circle.
std::string random_policy(Dice& dice) {
  constexpr std::size_t sizes[] = {1, 2, 4, 8, 16, 40, 150};
  std::string out = "roles:\n";
  for (std::size_t role = 0; role < std::size(roles); ++role) {
    if (dice.one_in(3)) continue;
    append(out, "  ", roles[role], dice.one_in(2) ? ": [client:" : ": [user:");
    out += dice.pick(names);
    if (role + 1 < std::size(roles) && dice.one_in(2)) append(out, ", role:", roles[role + 1]);
    if (dice.one_in(8)) out += ", \"service:*\"";
    out += "]\n";
  }
  append(out, "  last: []\npolicies:\n");
  for (std::size_t i = 0, count = sizes[dice.below(std::size(sizes))]; i < count; ++i) out += random_rule(dice);
  return out;
}

auth::Principal random_principal(Dice& dice) {
  auth::Principal out;
  if (!dice.one_in(3)) out.client = dice.pick(names);
  if (dice.one_in(2)) out.user = dice.pick(names);
  if (dice.one_in(6)) out.service = dice.pick(names);
  if (dice.one_in(20)) out.client = "*";
  while (dice.one_in(4)) out.roles.emplace_back(dice.pick(roles));
  while (dice.one_in(3)) out.scopes.emplace_back(dice.pick(scopes));
  return out;
}

std::string random_path(Dice& dice) {
  if (dice.one_in(40)) return dice.one_in(2) ? "" : "*";
  std::string out;
  for (std::size_t i = 0, count = dice.below(5); i < count; ++i) {
    append(out, '/', dice.one_in(12) ? std::string_view() : dice.pick(segments));
  }
  return out.empty() || dice.one_in(4) ? out + "/" : out;
}

std::string describe_case(const Request& request, std::uint64_t seed, const std::string& text) {
  return cat("seed ", seed, ": ", request.principal ? request.principal->describe() : "nullptr", " ", request.method,
             ' ', request.service, ':', request.path, "\n", text.substr(0, 3000));
}

// Counts what was compared, so that a generator that only makes denials is noticed.
struct Tally {
  std::size_t pairs = 0, allowed = 0, by_deny_rule = 0, with_shadow = 0;
};

void compare(std::uint64_t seed, Tally& tally) {
  Dice dice(seed);
  const std::vector<Source> sources{{"p", random_policy(dice)}};
  Diagnostics diagnostics;
  const auto book = read_sources(sources, diagnostics);
  const auto policy = Policy::load(sources, diagnostics);
  ASSERT_TRUE(book && policy) << "seed " << seed << diagnostics.render_text() << sources[0].text;
  for (int caller = 0; caller < 10; ++caller) {
    const auth::Principal principal = random_principal(dice);
    for (int question = 0; question < 8; ++question) {
      const std::string path = random_path(dice);
      const Request request{dice.one_in(20) ? nullptr : &principal, dice.one_in(3) ? "" : dice.pick(services),
                            dice.pick(asked_methods), path};
      const Decision fast = policy->authorize(request);
      const Decision right = reference::decide(*book, request);
      ASSERT_EQ(fast.verdict, right.verdict) << describe_case(request, seed, sources[0].text);
      ASSERT_EQ(fast.rule, right.rule) << describe_case(request, seed, sources[0].text);
      ASSERT_EQ(fast.shadow_rule, right.shadow_rule) << describe_case(request, seed, sources[0].text);
      ++tally.pairs;
      tally.allowed += fast.verdict == Verdict::allow;
      tally.by_deny_rule += fast.verdict == Verdict::deny && !fast.rule.empty();
      tally.with_shadow += !fast.shadow_rule.empty();
    }
  }
}

TEST(Reference, agrees_with_the_compiled_rules_on_random_policies) {
  constexpr std::uint64_t first_seed = 20'260'101, policies = 500;
  Tally tally;
  for (std::uint64_t seed = first_seed; seed < first_seed + policies && !HasFatalFailure(); ++seed)
    compare(seed, tally);
  std::printf("seeds %llu to %llu: %zu pairs, %zu allowed, %zu denied by a rule, %zu with a shadow rule\n",
              static_cast<unsigned long long>(first_seed), static_cast<unsigned long long>(first_seed + policies - 1),
              tally.pairs, tally.allowed, tally.by_deny_rule, tally.with_shadow);
  EXPECT_GE(tally.pairs, 20'000u);
  EXPECT_GT(tally.allowed, tally.pairs / 20);
  EXPECT_GT(tally.by_deny_rule, tally.pairs / 20);
  EXPECT_GT(tally.with_shadow, tally.pairs / 100);
}

}  // namespace
}  // namespace keepgate::policy

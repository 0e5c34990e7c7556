// rooms: route
// Maps, server names, locations, regexes and templates from arbitrary text: nothing may crash or run away, and what two
// ways of asking answer must agree.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/cidr.h"
#include "base/log.h"
#include "route/geo.h"
#include "route/location_tree.h"
#include "route/map.h"
#include "route/server_names.h"
#include "route/split_clients.h"
#include "route/template.h"

namespace {

using namespace keepgate;
using namespace keepgate::route;

struct NoMaps : VariableNames {
  std::optional<std::uint32_t> map_index(std::string_view) const override { return std::nullopt; }
};

struct Echo : VariableSource {
  std::string_view variable(const VariableRef& reference) override { return reference.argument; }
};

// Whatever groups take lies in the subject.
struct Inside final : CaptureSink {
  explicit Inside(std::string_view text) : subject(text) {}
  void keep_groups(const Regex& regex, const Captures* groups) override {
    if ((regex.group_count() > 0) != (groups != nullptr)) std::abort();
    for (std::size_t i = 0; groups && i < Captures::groups_max; ++i) {
      const std::string_view one = groups->at(i);
      const bool is_inside = one.data() >= subject.data() && one.data() + one.size() <= subject.data() + subject.size();
      if (!one.empty() && !is_inside) std::abort();
    }
  }
  std::string_view subject;
};

void check(bool fact) {
  if (!fact) std::abort();
}

// The input is lines; the last one is what is looked up.
std::vector<std::string_view> lines_of(std::string_view text) {
  constexpr std::size_t lines_max = 64;
  std::vector<std::string_view> lines;
  while (lines.size() < lines_max && !text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void try_templates(const std::vector<std::string_view>& lines) {
  Arena arena;
  Echo source;
  for (const std::string_view line : lines) {
    std::string error;
    const auto result = Template::compile(line, NoMaps(), error);
    check(result.has_value() == error.empty());
    if (result) check(result->evaluate(source, arena).size() <= line.size());
  }
}

void try_map(const std::vector<std::string_view>& lines, std::string_view subject) {
  Map map;
  for (const std::string_view line : lines) {
    std::string error;
    if (line.starts_with('~')) {
      if (auto regex = Regex::compile(line.substr(1), false, error)) map.add_regex(*std::move(regex), Template());
    } else if (!map.add_suffix(line, Template()) && !map.add_prefix(line, Template())) {
      map.add_exact(line, Template::literal(line));
    }
  }
  Inside inside(subject);
  check(&map.lookup(subject) == &map.lookup(subject, &inside));
}

void try_geo(const std::vector<std::string_view>& lines, std::string_view subject) {
  Geo networks, ranges;
  SplitClients split;
  for (const std::string_view line : lines) {
    if (const auto network = Cidr::parse(line)) networks.add(*network, std::string(line));
    if (const auto range = parse_address_range(line)) ranges.add_range(range->first, range->second, std::string(line));
    split.add(static_cast<std::uint32_t>(line.size()), std::string(line));
  }
  const auto address = Cidr::parse(subject);
  const std::string& found = networks.lookup_text(subject);
  if (address && !found.empty()) {
    CidrSet set;
    set.add(*Cidr::parse(found));
    const bool is_address = address->prefix_bits == 8 * address->byte_count;
    const std::string_view bytes(reinterpret_cast<const char*>(address->bytes.data()), address->byte_count);
    check(!is_address || subject.find('/') != std::string_view::npos || set.contains(bytes));
  }
  check(&ranges.lookup_text(subject) == &ranges.lookup_text(subject));
  check(&split.lookup(subject) == &split.lookup(subject));
}

void try_servers(const std::vector<std::string_view>& lines, std::string_view host) {
  ServerNames names;
  std::uint32_t number = 1;
  for (const std::string_view line : lines) {
    std::string error;
    names.add(line, number++, error);
  }
  check(names.find(host) < number);
}

// Each line but the last: a letter for the kind, then the pattern. Capital letters open the previous line's children.
void try_locations(const std::vector<std::string_view>& lines, std::string_view path) {
  std::vector<LocationRule> rules;
  std::uint32_t number = 0;
  for (const std::string_view line : lines) {
    if (line.empty()) continue;
    LocationRule rule;
    rule.match = static_cast<LocationMatch>((line[0] & 0x1f) % 6);
    rule.pattern = line.substr(1);
    rule.location = number++;
    const bool is_nested = line[0] >= 'A' && line[0] <= 'Z' && !rules.empty();
    (is_nested ? rules.back().nested : rules).push_back(std::move(rule));
  }
  LocationTree tree;
  std::string error;
  if (!tree.build(std::move(rules), error)) {
    check(!error.empty());
    return;
  }
  for (std::uint32_t i = 0; i < number; i += 2) tree.set_auto_redirect(i);
  Inside inside(path);
  const LocationTree::Found found = tree.find(path, &inside);
  check(found.location == tree.find(path).location);
  check(!found.failed || !found.location);
  std::size_t winners = 0;
  for (const LocationStep& step : tree.explain(path)) {
    winners += step.won;
    if (step.won) check(found.location == step.location);
  }
  check(winners == (found.location ? 1u : 0u));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  set_log_sink([](LogLevel, std::string_view) {});
  if (size == 0) return 0;
  std::vector<std::string_view> lines = lines_of({reinterpret_cast<const char*>(data + 1), size - 1});
  if (lines.empty()) return 0;
  const std::string_view subject = lines.back();
  lines.pop_back();
  switch (data[0] % 5) {
    case 0:
      try_templates(lines);
      break;
    case 1:
      try_map(lines, subject);
      break;
    case 2:
      try_servers(lines, subject);
      break;
    case 3:
      try_geo(lines, subject);
      break;
    default:
      try_locations(lines, subject);
      break;
  }
  return 0;
}

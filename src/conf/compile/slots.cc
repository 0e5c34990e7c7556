// Variables that requests fill (set, auth_request_set, named groups), geo and split_clients: which there are, and what
// they may hold.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

using route::Variable;
using route::VariableRef;

bool is_own_variable_row(std::string_view name) {
  const auto rows = route::variable_table();
  return std::ranges::any_of(rows,
                             [&](const route::VariableRow& row) { return row.name == name && !name.ends_with('_'); });
}

}  // namespace

std::optional<VariableRef> MapNames::defined(std::string_view name) const {
  const auto found = defined_.find(name);
  return found == defined_.end() ? std::nullopt : std::optional(found->second);
}

// nginx: $1 to $9 are empty where nothing matched.
std::optional<std::uint32_t> MapNames::capture(std::string_view name) const {
  if (!numbered || name.size() != 1 || name[0] < '1' || name[0] > '9') return std::nullopt;
  return static_cast<std::uint32_t>(name[0] - '0');
}

std::optional<std::uint32_t> MapNames::slot(std::string_view group) const {
  const auto found = defined_.find(to_lower(group));
  if (found == defined_.end() || found->second.variable != Variable::slot_) return std::nullopt;
  return found->second.index;
}

bool Compiler::bind_groups(route::Regex& regex, const Position& at) {
  if (regex.bind([this](std::string_view group) { return names_.slot(group); })) return true;
  report_groups(at);
  return false;
}

void Compiler::report_groups(const Position& at) {
  error(code::bad_regex, cat("more than ", route::Captures::groups_max - 1, " groups in front of a named one"), at,
        "write groups that nobody reads as (?:…)");
}

// A variable that requests fill; the same name is the same variable everywhere, as in nginx.
std::uint32_t Compiler::add_slot(const std::string& name, const Position& at) {
  if (const auto known = names_.slot(name)) return *known;
  if (is_own_variable_row(name)) {
    error(code::taken_name, cat("the variable '$", name, "' is already defined"), at, "choose another name");
  }
  const auto index = static_cast<std::uint32_t>(out_->slots.size());
  // A map of that name, or $http_NAME, is what it is worth until it is set.
  out_->slots.push_back({name, route::resolve_variable(name, names_)});
  slot_facts_.emplace_back();
  names_.define(name, VariableRef{Variable::slot_, index, {}});
  return index;
}

void Compiler::add_groups(std::string_view pattern, const Position& at) {
  std::string why;
  const auto regex = route::Regex::compile(pattern, false, why);
  if (!regex) return;  // Told where it is compiled to be used.
  for (const auto& [group, number] : regex->names()) {
    const std::uint32_t slot = add_slot(to_lower(group), at);
    slot_facts_[slot].is_chosen_by_client = true;
  }
}

void Compiler::add_slots(const std::vector<StepModel>& steps) {
  for (const StepModel& step : steps) {
    if (step.kind == StepModel::Kind::set && step.name != "args") add_slot(step.name, step.subject.at);
    if (step.kind == StepModel::Kind::rewrite) add_groups(step.subject.text, step.subject.at);
    if (step.kind == StepModel::Kind::if_ && step.condition.kind == ConditionModel::Kind::matches) {
      add_groups(step.condition.value.text, step.condition.value.at);
    }
    add_slots(step.block);
  }
}

void Compiler::add_slots(const std::vector<std::unique_ptr<LocationModel>>& locations) {
  for (const auto& location : locations) {
    const bool is_regex =
        location->match == route::LocationMatch::regex || location->match == route::LocationMatch::regex_no_case;
    if (is_regex) add_groups(location->pattern, location->at);
    add_slots(location->steps);
    add_slots(location->nested);
  }
}

// Before any text is compiled: whoever reads a variable may stand in front of whoever sets it.
void Compiler::name_slots() {
  for (const Word& name : model_.assigned) add_slot(name.text, name.at);
  for (const MapModel& map : model_.maps) {
    for (const MapEntryModel& entry : map.entries) {
      const std::string_view key = entry.key.text;
      if (key.starts_with('~')) add_groups(key.substr(key.starts_with("~*") ? 2 : 1), entry.key.at);
    }
  }
  for (const auto& server : model_.servers) {
    for (const Word& name : server->names) {
      if (name.text.starts_with('~')) add_groups(std::string_view(name.text).substr(1), name.at);
    }
    add_slots(server->steps);
    add_slots(server->locations);
  }
}

// What `set` may give each of them.
void Compiler::note_values(const std::vector<StepModel>& steps) {
  for (const StepModel& step : steps) {
    note_values(step.block);
    if (step.kind != StepModel::Kind::set) continue;
    const auto slot = names_.slot(step.name);
    if (!slot) continue;
    SlotFacts& facts = slot_facts_[*slot];
    for (const route::Template::Part& part : text(step.value).parts()) {
      if (part.is_variable()) facts.values.push_back(part.reference);
    }
  }
}

// An answer that an operator's service gave. Its fields are no client's, unless the template says so.
void Compiler::note_values(const LevelOptions& options) {
  if (!options.assignments) return;
  for (const AssignmentModel& one : *options.assignments) {
    const auto slot = names_.slot(model_.assigned[one.index].text);
    if (!slot) continue;
    for (const route::Template::Part& part : text(one.value).parts()) {
      if (part.is_variable()) slot_facts_[*slot].values.push_back(part.reference);
    }
  }
}

void Compiler::note_values(const std::vector<std::unique_ptr<LocationModel>>& locations) {
  for (const auto& location : locations) {
    note_values(location->options);
    note_values(location->steps);
    note_values(location->nested);
  }
}

void Compiler::note_slots() {
  note_values(model_.http);
  for (const auto& server : model_.servers) {
    note_values(server->options);
    note_values(server->steps);
    note_values(server->locations);
  }
  for (std::uint32_t i = 0; i < slot_facts_.size(); ++i) {
    if (const auto& fallback = out_->slots[i].fallback) slot_facts_[i].values.push_back(*fallback);
  }
  // What `set` reads of a token is read before the token is verified, and stays so.
  for (std::uint32_t i = 0; i < slot_facts_.size(); ++i) {
    const VariableRef reference{Variable::slot_, i, {}};
    std::set<std::uint32_t> seen;
    if (!find_variable(reference, route::reads_jwt, seen).empty()) slot_facts_[i].is_chosen_by_client = true;
  }
}

void Compiler::compile_geos() {
  for (const GeoModel& model : model_.geos) {
    route::Geo& geo = out_->geos.emplace_back();
    geo.name = model.name;
    if (model.source) geo.source = variable(*model.source);
    geo.set_default(model.default_value);
    for (const GeoEntryModel& entry : model.entries) {
      if (model.by_ranges) {
        const auto range = route::parse_address_range(entry.key.text);
        entry.removes ? geo.remove_range(range->first, range->second)
                      : geo.add_range(range->first, range->second, entry.value);
        continue;
      }
      const auto network = Cidr::parse(entry.key.text);
      if (network->has_host_bits) {
        warning(code::bad_value, cat("low address bits of ", printable(entry.key.text), " are meaningless"),
                entry.key.at);
      }
      const bool is_new = entry.removes ? geo.remove(*network) : geo.add(*network, entry.value);
      if (is_new) continue;
      warning(code::duplicate,
              cat(entry.removes ? "no network to remove: " : "duplicate network ", printable(entry.key.text)),
              entry.key.at);
    }
  }
  for (const SplitClientsModel& model : model_.split_clients) {
    route::SplitClients& split = out_->split_clients.emplace_back();
    split.name = model.name;
    split.source = text(model.source);
    for (const auto& [share, value] : model.groups) split.add(share, value.text);
  }
}

}  // namespace keepgate::conf

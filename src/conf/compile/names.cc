// Variables, strings with variables, maps; and what a string depends on.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "route/host_table.h"

namespace keepgate::conf {

namespace {

using route::Template;
using route::Variable;
using route::VariableRef;

void append_references(const Template& value, std::vector<VariableRef>& out) {
  for (const Template::Part& part : value.parts()) {
    if (part.is_variable()) out.push_back(part.reference);
  }
}

bool has_letter(std::string_view text) { return std::ranges::any_of(text, is_alpha); }

const route::VariableRow* row_of(Variable variable) {
  const auto rows = route::variable_table();
  const auto found = std::ranges::find(rows, variable, &route::VariableRow::variable);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

std::optional<std::uint32_t> MapNames::map_index(std::string_view name) const {
  const auto found = indexes_.find(name);
  return found == indexes_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<VariableRef> MapNames::jwt_path(std::string_view name) const {
  const auto found = jwt_paths_.find(name);
  return found == jwt_paths_.end() ? std::nullopt : std::optional(found->second);
}

void MapNames::add_jwt_path(const JwtPathModel& model) {
  const Variable variable = model.in_header ? Variable::jwt_header_path_ : Variable::jwt_claim_path_;
  jwt_paths_.emplace(model.name, VariableRef{variable, 0, model.path});
}

Template Compiler::text(const Word& word) {
  std::string why;
  std::optional<Template> value = Template::compile(word.text, names_, why);
  if (!value) error(code::bad_variable, std::move(why), word.at);
  return value ? *std::move(value) : Template();
}

std::optional<VariableRef> Compiler::variable(const Word& word) {
  const Template value = text(word);
  if (value.parts().size() == 1 && value.parts()[0].is_variable()) return value.parts()[0].reference;
  if (!value.empty()) error(code::bad_variable, cat("'", printable(word.text), "' is not one variable"), word.at);
  return std::nullopt;
}

void Compiler::compile_maps() {
  for (std::size_t i = 0; i < model_.maps.size(); ++i) {
    names_.add(model_.maps[i].name, static_cast<std::uint32_t>(i));
  }
  for (const JwtPathModel& model : model_.jwt_paths) {
    if (names_.map_index(model.name)) {
      error(code::taken_name, cat("the variable '$", model.name, "' is already defined"), model.variable.at);
    }
    names_.add_jwt_path(model);
  }
  for (std::size_t i = 0; i < model_.geos.size(); ++i) {
    names_.define(model_.geos[i].name, VariableRef{Variable::geo_, static_cast<std::uint32_t>(i), {}});
  }
  for (std::size_t i = 0; i < model_.split_clients.size(); ++i) {
    names_.define(model_.split_clients[i].name,
                  VariableRef{Variable::split_clients_, static_cast<std::uint32_t>(i), {}});
  }
  name_slots();
  map_facts_.resize(model_.maps.size());
  for (std::size_t i = 0; i < model_.maps.size(); ++i) {
    out_->maps.emplace_back();
    compile_map(model_.maps[i], out_->maps.back(), map_facts_[i]);
  }
  check_map_cycles();
}

void Compiler::compile_map(const MapModel& model, route::Map& map, MapFacts& facts) {
  map.name = model.name;
  map.hostnames = model.hostnames;
  map.is_volatile = model.is_volatile;
  map.source = text(model.source);
  append_references(map.source, facts.source);
  if (model.default_value) {
    Template value = text(*model.default_value);
    append_references(value, facts.values);
    map.set_default(std::move(value));
  }
  for (const MapEntryModel& entry : model.entries) add_map_entry(model, entry, map, facts);
}

void Compiler::add_map_entry(const MapModel& model, const MapEntryModel& entry, route::Map& map, MapFacts& facts) {
  const std::string& key = entry.key.text;
  Template value = text(entry.value);
  append_references(value, facts.values);
  if (key.starts_with('~')) {
    const bool ignore_case = key.starts_with("~*");
    std::string why;
    auto regex = route::Regex::compile(std::string_view(key).substr(ignore_case ? 2 : 1), ignore_case, why);
    if (!regex) return error(code::bad_regex, std::move(why), entry.key.at);
    if (!bind_groups(*regex, entry.key.at)) return;
    return map.add_regex(*std::move(regex), std::move(value));
  }
  bool added = false;
  if (model.hostnames && (key.starts_with('.') || key.starts_with("*."))) {
    added = map.add_suffix(key, std::move(value));
  } else if (model.hostnames && key.ends_with(".*")) {
    added = map.add_prefix(key, std::move(value));
  } else {
    added = map.add_exact(key, std::move(value));
    if (has_letter(key) && !std::exchange(facts.has_exact_letters, true)) facts.exact_at = entry.key.at;
  }
  if (!added) error(code::duplicate, cat("conflicting parameter '", printable(key), "' in 'map'"), entry.key.at);
}

void Compiler::check_map_cycles() {
  std::vector<std::uint8_t> state(map_facts_.size(), 0);  // 0: not seen, 1: on the way, 2: good.
  for (std::uint32_t i = 0; i < map_facts_.size(); ++i) {
    if (!map_reaches_itself(i, state)) continue;
    error(code::variable_cycle, cat("the variable '$", model_.maps[i].name, "' depends on itself"),
          model_.maps[i].variable.at);
    return;
  }
}

bool Compiler::map_reaches_itself(std::uint32_t index, std::vector<std::uint8_t>& state) {
  if (state[index] != 0) return state[index] == 1;
  state[index] = 1;
  for (const auto* references : {&map_facts_[index].source, &map_facts_[index].values}) {
    for (const VariableRef& reference : *references) {
      const VariableRef* inner = &reference;
      if (reference.variable == Variable::slot_) {
        const auto& fallback = out_->slots[reference.index].fallback;
        if (!fallback) continue;
        inner = &*fallback;
      }
      if (inner->variable == Variable::map_ && map_reaches_itself(inner->index, state)) return true;
    }
  }
  state[index] = 2;
  return false;
}

std::string Compiler::find_variable(const VariableRef& reference, const Matches& matches,
                                    std::set<std::uint32_t>& seen) const {
  if (reference.variable == Variable::slot_) return find_in_slot(reference.index, matches, seen);
  if (reference.variable == Variable::geo_) {
    const auto& source = out_->geos[reference.index].source;
    return source ? find_variable(*source, matches, seen) : std::string();
  }
  if (reference.variable == Variable::split_clients_) {
    for (const Template::Part& part : out_->split_clients[reference.index].source.parts()) {
      if (!part.is_variable()) continue;
      if (std::string found = find_variable(part.reference, matches, seen); !found.empty()) return found;
    }
    return {};
  }
  if (reference.variable == Variable::capture_) {
    return matches(reference.variable) ? cat("$", reference.index) : std::string();
  }
  if (reference.variable != Variable::map_) {
    if (!matches(reference.variable)) return {};
    const route::VariableRow* row = row_of(reference.variable);
    return cat("$", row ? row->name : "?", reference.argument);
  }
  if (!seen.insert(reference.index).second) return {};
  for (const auto* references : {&map_facts_[reference.index].source, &map_facts_[reference.index].values}) {
    for (const VariableRef& inner : *references) {
      if (std::string found = find_variable(inner, matches, seen); !found.empty()) return found;
    }
  }
  return {};
}

// Slots are numbered apart from maps.
std::string Compiler::find_in_slot(std::uint32_t index, const Matches& matches, std::set<std::uint32_t>& seen) const {
  constexpr std::uint32_t behind_maps = 1U << 31;
  if (!seen.insert(index | behind_maps).second) return {};
  const SlotFacts& facts = slot_facts_[index];
  if (facts.is_chosen_by_client && matches(Variable::capture_)) return cat("$", out_->slots[index].name);
  for (const VariableRef& inner : facts.values) {
    if (std::string found = find_variable(inner, matches, seen); !found.empty()) return found;
  }
  return {};
}

std::string Compiler::find_variable(const Template& value, const Matches& matches) const {
  std::set<std::uint32_t> seen;
  for (const Template::Part& part : value.parts()) {
    if (!part.is_variable()) continue;
    if (std::string found = find_variable(part.reference, matches, seen); !found.empty()) return found;
  }
  return {};
}

namespace {

bool is_unverified(Variable variable, bool jwt_verified, bool clients_verified, bool user_verified) {
  if (variable == Variable::remote_user) return !user_verified;
  if (route::reads_jwt(variable)) return !jwt_verified;
  if (route::reads_client_certificate(variable)) return !clients_verified;
  const route::VariableRow* row = row_of(variable);
  return !row || !row->verified;
}

}  // namespace

std::string Compiler::find_unverified(const Template& value, bool jwt_verified) const {
  return find_variable(value, [this, jwt_verified](Variable one) {
    return is_unverified(one, jwt_verified, clients_verified_, user_verified_);
  });
}

std::string Compiler::find_unverified(const VariableRef& reference, bool jwt_verified) const {
  std::set<std::uint32_t> seen;
  return find_variable(
      reference,
      [this, jwt_verified](Variable one) {
        return is_unverified(one, jwt_verified, clients_verified_, user_verified_);
      },
      seen);
}

}  // namespace keepgate::conf

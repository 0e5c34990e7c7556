// map { }.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "route/template.h"

namespace keepgate::conf {

namespace {

bool is_variable_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
}

// A name that the program has already, but for families: $http_x may be given another meaning, as in nginx.
bool is_own_variable(std::string_view name) {
  const auto rows = route::variable_table();
  return std::ranges::any_of(rows, [&](const route::VariableRow& row) { return row.name == name; });
}

bool read_name(Reader& reader, const Directive& directive, MapModel& map) {
  const Word& word = directive.arguments[1];
  if (!word.text.starts_with('$') || !is_variable_name(std::string_view(word.text).substr(1))) {
    reader.error(code::bad_variable, cat("invalid variable name '", printable(word.text), "'"), word.at,
                 "map SOURCE $name { … }");
    return false;
  }
  map.name = to_lower(std::string_view(word.text).substr(1));
  const bool taken =
      std::ranges::any_of(reader.model().maps, [&](const MapModel& other) { return other.name == map.name; });
  const auto has_it = [&](const auto& list) {
    return std::ranges::any_of(list, [&](const auto& other) { return other.name == map.name; });
  };
  if (taken || is_own_variable(map.name) || has_it(reader.model().geos) || has_it(reader.model().split_clients)) {
    reader.error(code::taken_name, cat("the variable '$", map.name, "' is already defined"), word.at);
    return false;
  }
  return true;
}

void read_entry(Reader& reader, const Directive& entry, MapModel& map) {
  const std::string& key = entry.name.text;
  if (entry.has_block) return reader.error(code::block, "'map' holds no blocks", entry.name.at);
  if (entry.arguments.empty() && key == "hostnames") {
    map.hostnames = true;
    return;
  }
  if (entry.arguments.empty() && key == "volatile") {
    map.is_volatile = true;
    return;
  }
  if (entry.arguments.size() != 1) {
    return reader.error(code::argument_count, "invalid number of the map parameters", entry.name.at, "KEY VALUE;");
  }
  if (key != "default") {
    map.entries.push_back({entry.name, entry.arguments[0]});
  } else if (map.default_value) {
    reader.error(code::duplicate, "duplicate default map parameter", entry.name.at);
  } else {
    map.default_value = entry.arguments[0];
  }
}

void read_map(Reader& reader, const Scope&, const Directive& directive) {
  MapModel map;
  map.source = directive.arguments[0];
  map.variable = directive.arguments[1];
  if (!read_name(reader, directive, map)) return;
  for (const Directive& entry : directive.block) read_entry(reader, entry, map);
  reader.model().maps.push_back(std::move(map));
}

constexpr DirectiveRow map_table[] = {
    {"map",
     in_http,
     {2, 2, true},
     Support::built,
     read_map,
     "",
     "A variable by the value of a string: exact keys (without case), *.suffix, prefix.*, ~regex, default."},
    {"map_hash_max_size", in_http, {1, 1}, Support::ignored, nullptr, "", "No effect: tables size themselves."},
    {"map_hash_bucket_size", in_http, {1, 1}, Support::ignored, nullptr, "", "No effect: tables size themselves."},
};

}  // namespace

std::span<const DirectiveRow> map_rows() { return map_table; }

}  // namespace keepgate::conf

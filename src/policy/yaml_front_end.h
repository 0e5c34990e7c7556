// From YAML files to one RuleBook: every key known, every value checked, every slip refused with its place.
//
// Thread rule: one owner. Bound: what the strict document bounds (yaml_document.h).
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/diagnostics.h"
#include "policy/ir.h"
#include "policy/policy.h"
#include "policy/yaml_values.h"

namespace keepgate::policy {

// All files together. Nothing when there was any error; all of them are in `diagnostics`.
std::optional<RuleBook> read_sources(std::span<const Source> sources, Diagnostics& diagnostics);

// What the parts of the front end share while they read.
struct Reading {
  RuleBook book;
  std::map<std::string, std::string, std::less<>> id_places;    // Where each rule id was given.
  std::map<std::string, SourcePlace, std::less<>> role_places;  // Where each role was defined.
};

void read_rules(const YamlNode& list, Mode file_mode, YamlValues& values, Reading& reading);  // yaml_rules.cc
void read_roles(const YamlNode& map, YamlValues& values, Reading& reading);                   // yaml_roles.cc
void refuse_role_cycles(const Reading& reading, Diagnostics& diagnostics);                    // yaml_roles.cc
void read_tests(const YamlNode& list, YamlValues& values, Reading& reading);                  // yaml_tests.cc
std::optional<Mode> read_mode(const YamlNode& node, YamlValues& values);

}  // namespace keepgate::policy

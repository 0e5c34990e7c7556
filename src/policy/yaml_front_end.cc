#include "policy/yaml_front_end.h"

#include <array>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"

namespace keepgate::policy {

namespace {

constexpr std::array<std::string_view, 4> top_keys{"policies", "roles", "tests", "mode"};

void read_file(const SourceFile& file, Diagnostics& diagnostics, Reading& reading) {
  const std::optional<YamlNode> root = read_yaml(file, diagnostics);
  if (!root) return;
  YamlValues values(file, diagnostics);
  if (root->is_text() && root->text.empty()) {
    return values.complain(code::empty_file, "the file is empty", *root,
                           "a policy without rules is written: policies: []");
  }
  if (!values.expect_map(*root, "a policy file")) return;
  values.check_keys(*root, top_keys, "a policy file");
  Mode mode = Mode::enforce;
  if (const YamlNode* node = root->find("mode")) mode = read_mode(*node, values).value_or(Mode::enforce);
  if (const YamlNode* node = root->find("roles")) read_roles(*node, values, reading);
  if (const YamlNode* node = root->find("policies")) read_rules(*node, mode, values, reading);
  if (const YamlNode* node = root->find("tests")) read_tests(*node, values, reading);
}

bool acceptable_source(const Source& source, std::set<std::string_view>& seen, Diagnostics& diagnostics) {
  const SourcePlace place{source.name, 0, 0, 1, {}};
  if (source.name.ends_with(".cedar")) {
    diagnostics.error(code::cedar_not_built, "Cedar files are not built yet", place, "write the rules in YAML");
    return false;
  }
  if (!seen.insert(source.name).second) {
    diagnostics.error(code::file_twice, cat("the file '", source.name, "' is given twice"), place, "name it once");
    return false;
  }
  return true;
}

// The compiled rules keep a rule's methods as bits of one word.
void refuse_too_many_methods(const RuleBook& book, Diagnostics& diagnostics) {
  std::set<std::string_view> methods;
  for (const Rule& rule : book.rules) methods.insert(rule.methods.begin(), rule.methods.end());
  if (methods.size() <= methods_max) return;
  diagnostics.error(code::too_many_methods, cat("the rules name more than ", methods_max, " different methods"), {},
                    "write \"*\" where every method is meant");
}

}  // namespace

std::optional<Mode> read_mode(const YamlNode& node, YamlValues& values) {
  if (!values.expect_text(node, "the mode")) return std::nullopt;
  if (node.text == "enforce") return Mode::enforce;
  if (node.text == "shadow") return Mode::shadow;
  constexpr std::array<std::string_view, 2> known{"enforce", "shadow"};
  const std::string_view close = closest_match(node.text, known);
  values.complain(code::bad_mode, cat("unknown mode '", printable(node.text, 60), "'"), node,
                  close.empty() ? "a mode is enforce or shadow" : cat("did you mean '", close, "'?"));
  return std::nullopt;
}

std::optional<RuleBook> read_sources(std::span<const Source> sources, Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  Reading reading;
  std::set<std::string_view> seen;
  for (const Source& source : sources) {
    if (acceptable_source(source, seen, diagnostics)) {
      read_file(SourceFile(source.name, source.text), diagnostics, reading);
    }
  }
  refuse_role_cycles(reading, diagnostics);
  refuse_too_many_methods(reading.book, diagnostics);
  if (diagnostics.error_count() > errors_before) return std::nullopt;
  return std::move(reading.book);
}

}  // namespace keepgate::policy

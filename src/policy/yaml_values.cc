#include "policy/yaml_values.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"

namespace keepgate::policy {

namespace {

std::string_view name_of(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::text:
      return "text";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
  }
  return "";
}

}  // namespace

std::string YamlValues::short_place(const YamlNode& node) const { return cat(file_.name(), ':', node.line); }

void YamlValues::complain(std::string_view code, std::string message, const YamlNode& node, std::string help) {
  if (++errors_ > complaints_max) return;
  diagnostics_.error(code, std::move(message), place(node), std::move(help));
}

void YamlValues::complain(const Complaint& complaint, const YamlNode& node) {
  complain(complaint.code, complaint.message, node, complaint.help);
}

void YamlValues::warn(std::string_view code, std::string message, const YamlNode& node, std::string help) {
  if (++warnings_ > complaints_max) return;
  diagnostics_.warning(code, std::move(message), place(node), std::move(help));
}

bool YamlValues::expect_text(const YamlNode& node, std::string_view what) {
  if (!node.is_text()) {
    complain(code::wrong_shape, cat(what, " must be text, not ", name_of(node.kind)), node);
    return false;
  }
  if (!node.text.empty()) return true;
  complain(code::empty_value, cat(what, " is empty"), node);
  return false;
}

bool YamlValues::expect_list(const YamlNode& node, std::string_view what) {
  if (node.is_list()) return true;
  complain(code::wrong_shape, cat(what, " must be a list, not ", name_of(node.kind)), node,
           "begin each entry with a dash, or write [a, b]");
  return false;
}

bool YamlValues::expect_map(const YamlNode& node, std::string_view what) {
  if (node.is_map()) return true;
  complain(code::wrong_shape, cat(what, " must be a map, not ", name_of(node.kind)), node, "write key: value");
  return false;
}

std::vector<const YamlNode*> YamlValues::texts(const YamlNode& node, std::string_view what, bool may_be_empty) {
  std::vector<const YamlNode*> out;
  if (!node.is_list()) {
    if (expect_text(node, what)) out.push_back(&node);
    return out;
  }
  if (node.items.empty() && !may_be_empty) complain(code::empty_value, cat(what, " is an empty list"), node);
  for (const YamlNode& item : node.items) {
    if (too_many_complaints()) break;
    if (expect_text(item, cat("an entry of ", what))) out.push_back(&item);
  }
  return out;
}

void YamlValues::check_keys(const YamlNode& map, std::span<const std::string_view> known, std::string_view where) {
  for (std::size_t i = 0; i + 1 < map.items.size() && !too_many_complaints(); i += 2) {
    const YamlNode& key = map.items[i];
    if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
    const std::string_view close = closest_match(key.text, known);
    std::string help;
    if (close.empty()) {
      for (const std::string_view one : known) append(help, help.empty() ? "known here: " : ", ", one);
    } else {
      help = cat("did you mean '", close, "'?");
    }
    complain(code::unknown_key, cat("unknown key '", printable(key.text, 60), "' in ", where), key, std::move(help));
  }
}

}  // namespace keepgate::policy

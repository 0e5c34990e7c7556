// What the YAML front end asks of a node: text, one or several texts, a map with known keys; complaints with a place.
//
// Thread rule: one owner. Lifetime: borrows the file and the diagnostics.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "policy/names.h"
#include "policy/yaml_document.h"

namespace keepgate::policy {

class YamlValues {
 public:
  YamlValues(const SourceFile& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  const SourceFile& file() const { return file_; }
  SourcePlace place(const YamlNode& node) const { return file_.place(node.line, node.column, node.length); }
  // "policy.yaml:12"
  std::string short_place(const YamlNode& node) const;

  void complain(std::string_view code, std::string message, const YamlNode& node, std::string help = {});
  void complain(const Complaint& complaint, const YamlNode& node);
  void warn(std::string_view code, std::string message, const YamlNode& node, std::string help = {});
  // Of this file. Further ones are dropped; the file is refused as it is.
  bool too_many_complaints() const { return errors_ >= complaints_max; }

  // False, and a complaint, when it is something else or empty. `what` is for the message: "the id".
  bool expect_text(const YamlNode& node, std::string_view what);
  bool expect_list(const YamlNode& node, std::string_view what);
  bool expect_map(const YamlNode& node, std::string_view what);
  // One text, or a list of texts with at least one entry. Those that are texts; the others are complained about.
  std::vector<const YamlNode*> texts(const YamlNode& node, std::string_view what, bool may_be_empty = false);
  // Complains about each key that is not known, with the one that was probably meant.
  void check_keys(const YamlNode& map, std::span<const std::string_view> known, std::string_view where);

 private:
  const SourceFile& file_;
  Diagnostics& diagnostics_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

}  // namespace keepgate::policy

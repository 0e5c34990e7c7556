// The reference page of directives, written from the rows.
#include "base/bytes.h"
#include "conf/directives/row.h"
#include "conf/load.h"

namespace keepgate::conf {

namespace {

std::string_view name_of(Support support) {
  switch (support) {
    case Support::built:
      return "built";
    case Support::ignored:
      return "accepted, no effect";
    case Support::refused:
      break;
  }
  return "not built: refused";
}

// Text for a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace

std::string render_directive_reference() {
  std::string out =
      "# Directives\n\nEverything that a configuration may hold. What is listed as not built is refused when the "
      "configuration is\nread: nothing that protects is ever passed over in silence.\n";
  for (const DirectiveTable& table : directive_tables()) {
    append(out, "\n## ", table.module, "\n\n| directive | context | default | support | |\n|---|---|---|---|---|\n");
    for (const DirectiveRow& row : table.rows) {
      append(out, "| `", row.name, row.arity.block ? " { }" : "", "` | ", describe_contexts(row.contexts), " | ");
      if (!row.fallback.empty()) append(out, "`", cell(row.fallback), "`");
      append(out, " | ", name_of(row.support), " | ", cell(row.summary), " |\n");
    }
  }
  return out;
}

}  // namespace keepgate::conf

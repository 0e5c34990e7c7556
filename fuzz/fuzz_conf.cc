// rooms: conf
// The configuration language: words, blocks, the tables of directives. No file is touched, whatever the text says.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "conf/parser.h"
#include "conf/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  conf::Sources sources;
  Diagnostics diagnostics;
  std::vector<conf::Directive> tree;
  conf::Parser parser(sources, diagnostics, {"/nonexistent/", {}, false});
  parser.parse_text("fuzz", std::string(reinterpret_cast<const char*>(data), size), tree);
  conf::Model model;
  conf::Reader reader(sources, diagnostics, model);
  reader.read(tree, conf::Scope{});
  // A complaint can always be shown, and a place lies inside its file.
  for (const Diagnostic& one : diagnostics.all()) KG_ASSERT(one.place.column <= size + 1 && !one.code.empty());
  KG_ASSERT(diagnostics.all().empty() || !diagnostics.render_text().empty());
  return 0;
}

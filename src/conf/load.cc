#include "conf/load.h"

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "conf/model.h"
#include "conf/parser.h"
#include "conf/reader.h"

namespace keepgate::conf {

namespace {

Folders folders_of(const LoadOptions& options) {
  Folders folders;
  folders.configuration = folder_of(options.file);
  folders.prefix = options.prefix.empty() ? folders.configuration : options.prefix;
  return folders;
}

void read_model(const LoadOptions& options, const Folders& folders, Sources& sources, Diagnostics& diagnostics,
                Model& model) {
  std::vector<Directive> tree;
  const std::string fallback = folders.prefix == folders.configuration ? std::string() : folders.prefix;
  Parser parser(sources, diagnostics, {folders.configuration, fallback});
  if (!options.global_directives.empty()) parser.parse_text("command line", options.global_directives, tree);
  parser.parse_file(options.file, tree);
  Reader(sources, diagnostics, model).read(tree, Scope{});
}

}  // namespace

std::shared_ptr<const pipeline::Snapshot> load(const LoadOptions& options, Diagnostics& diagnostics) {
  const Folders folders = folders_of(options);
  Sources sources;
  Model model;
  read_model(options, folders, sources, diagnostics, model);
  if (!model.main.has_http && !model.authorization_server && !diagnostics.has_errors()) {
    diagnostics.error(code::missing_section, "no 'http' section in the configuration", {options.file, 0, 0, 1, {}});
  }
  // Also after errors: what the rest means may be wrong too, and all of it is told at once.
  const bool too_much = diagnostics.all().size() >= Parser::complaints_max || model.level_count > Model::levels_max;
  if (too_much) return nullptr;
  return Compiler(options, folders, sources, diagnostics, model).compile();
}

std::string read_pid_path(const LoadOptions& options, Diagnostics& diagnostics) {
  const Folders folders = folders_of(options);
  Sources sources;
  Model model;
  read_model(options, folders, sources, diagnostics, model);
  return model.main.pid ? join_path(folders.prefix, *model.main.pid) : std::string();
}

}  // namespace keepgate::conf

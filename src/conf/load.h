// Reads a configuration and compiles it into a Snapshot: nginx's language, all complaints at once.
//
// Thread rule: one at a time. Reads files (configuration, policies, keys, certificates); opens log files and resolves
// upstream names only when `check_only` is false: checking binds nothing and writes nothing. Errors: every problem is a
// Diagnostic with its place; with any error the result is nullptr and nothing was changed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "pipeline/snapshot.h"

namespace keepgate::conf {

struct LoadOptions {
  std::string file;               // -c
  std::string prefix;             // -p: relative paths in the configuration start here; "": the file's folder.
  std::string global_directives;  // -g
  bool check_only = false;        // Nothing is opened, bound or written.
  bool looks_around = false;      // With check_only, -t: hosts of upstreams and folders of logs must be there.
  std::shared_ptr<const pipeline::Snapshot> previous;  // A reload: zones, replay memory, groups that stayed the same.
};

std::shared_ptr<const pipeline::Snapshot> load(const LoadOptions& options, Diagnostics& diagnostics);

// `pid` of a configuration, as a path; "" if it has none. Reads the directives only: no key, certificate or policy.
std::string read_pid_path(const LoadOptions& options, Diagnostics& diagnostics);

// The reference page: every directive with contexts, default, support level and one line. Markdown.
std::string render_directive_reference();

}  // namespace keepgate::conf

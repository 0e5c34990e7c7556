// `keepgate check`: every complaint about a configuration; and the reference page of directives.
#include "auth/introspection.h"
#include "base/bytes.h"
#include "cli/lookup.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "conf/load.h"
#include "issuer/document.h"

namespace keepgate::cli {

int run_check(int argc, char** argv) {
  conf::LoadOptions options;
  std::string format = "text";
  bool reference = false;
  Arguments arguments("check",
                      "Reads a configuration and prints every complaint about it; exits 1 if there is an error.",
                      {{"keepgate check -c keepgate.conf", ""},
                       {"keepgate check -c keepgate.conf --format json", "for programs: a JSON array"},
                       {"keepgate check --reference", "all directives, as Markdown"}});
  arguments.option("-c,--config", "FILE", options.file, "configuration (default: /etc/keepgate/keepgate.conf)");
  arguments.option("-p,--prefix", "FOLDER", options.prefix, "where relative paths start (default: the file's folder)");
  arguments.option("-g,--global", "DIRECTIVES", options.global_directives, "global directives, read before the file");
  arguments.option("--format", "FORMAT", format, "text or json (default: text)");
  arguments.flag("--reference", reference, "print the reference of directives and exit");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (reference) return print(conf::render_directive_reference());
  if (format != "text" && format != "json") return arguments.usage_error("--format: text or json");

  if (options.file.empty()) options.file = default_configuration;
  options.check_only = true;
  Diagnostics diagnostics;
  const auto snapshot = conf::load(options, diagnostics);
  const bool loaded = snapshot != nullptr && !diagnostics.has_errors();
  if (format == "json") {
    const int code = print(cat(diagnostics.render_json(), "\n"));
    return loaded ? code : int{exit_failure};
  }
  say_diagnostics(diagnostics);
  if (!loaded) {
    say(cat(options.file, ": ", diagnostics.error_count(), diagnostics.error_count() == 1 ? " error" : " errors"));
    return exit_failure;
  }
  std::string text = cat(options.file, ": ok\n");
  for (const auto& one : snapshot->issuers) {  // Nothing is fetched here.
    append(text, "issuer ", one->options().issuer, ": ", issuer::describe_source(one->options()), '\n');
  }
  for (const auto& one : snapshot->introspection) append(text, "introspection at ", one->options().url, '\n');
  return print(text);
}

}  // namespace keepgate::cli

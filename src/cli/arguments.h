// Arguments: what one verb takes, read from argv, and its help text, which starts with examples.
//
// The only door to the parsing library: verbs include this header alone. A usage error is said on standard error and
// exits 2; `--help` prints on standard output and exits 0. Thread rule: one owner. Lifetime: targets are borrowed until
// parse() returns.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepgate::cli {

struct Example {
  std::string_view line;     // "keepgate token inspect <token"
  std::string_view meaning;  // May be empty.
};

enum class Need : bool { optional = false, required };

class Arguments {
 public:
  // `verb` as typed after the program's name: "token mint".
  Arguments(std::string_view verb, std::string_view summary, std::initializer_list<Example> examples);
  ~Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // `names`: "-c,--config". `value`: how help calls the value: "FILE".
  void flag(std::string_view names, bool& target, std::string_view help);
  void option(std::string_view names, std::string_view value, std::string& target, std::string_view help,
              Need need = Need::optional);
  void option(std::string_view names, std::string_view value, std::optional<std::string>& target,
              std::string_view help);
  // Several values behind one name, or the name repeated.
  void options(std::string_view names, std::string_view value, std::vector<std::string>& target, std::string_view help);
  void operand(std::string_view name, std::string& target, std::string_view help, Need need = Need::required);
  void operands(std::string_view name, std::vector<std::string>& target, std::string_view help,
                Need need = Need::optional);

  // Nothing: go on. Else the exit code. argv[0] is passed over.
  std::optional<int> parse(int argc, char** argv);
  // "keepgate VERB: message", and where the help is. Returns exit_usage.
  int usage_error(std::string_view message) const;

  std::string help() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::cli

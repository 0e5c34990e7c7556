#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "auth/api_key.h"
#include "base/bytes.h"
#include "cli/command.h"
#include "cli/output.h"

namespace keepgate::cli {

namespace {

struct Line {
  std::string left, right;
};

void append_lines(std::string& out, std::string_view title, const std::vector<Line>& lines) {
  constexpr std::size_t column_max = 34;  // A longer left side gets a line of its own.
  if (lines.empty()) return;
  std::size_t width = 0;
  for (const Line& line : lines) {
    const std::size_t size = display_width(line.left);
    if (size <= column_max) width = std::max(width, size);
  }
  append(out, "\n", title, ":\n");
  for (const Line& line : lines) {
    append(out, "  ", line.left);
    const std::size_t size = display_width(line.left);
    if (size > width) {
      append(out, "\n  ", std::string(width, ' '));
    } else {
      out.append(width - size, ' ');
    }
    append(out, "  ", line.right, "\n");
  }
}

// The library's message quotes what it did not expect, and that may be a token.
std::string message_of(const CLI::ParseError& error, const std::vector<std::string>& extras) {
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError) || extras.empty()) return error.what();
  const auto is_token = [](const std::string& word) { return word.find("eyJ") != std::string::npos; };
  if (std::ranges::any_of(extras, auth::looks_like_api_key)) {
    return "a key never comes as an argument, where every user of this machine can read it: give its id, or use "
           "standard input";
  }
  if (std::ranges::any_of(extras, is_token)) {
    return "a token never comes as an argument, where every user of this machine can read it: use standard input";
  }
  return cat("unexpected argument '", printable(extras.front(), 60), "'");
}

}  // namespace

struct Arguments::Impl {
  CLI::App app;
  std::string verb, summary, usage;
  std::vector<Example> examples;
  std::vector<Line> operands, options;

  CLI::Option* finish(CLI::Option* option, Need need) const { return option->required(need == Need::required); }
  void list_option(std::string_view names, std::string_view value, std::string_view help, bool several, Need need) {
    std::string left;
    for (const char c : names) append(left, c == ',' ? std::string_view(", ") : std::string_view(&c, 1));
    if (!value.empty()) append(left, ' ', value, several ? "…" : "");
    if (need == Need::required) append(usage, ' ', names.substr(names.rfind(',') + 1), ' ', value);
    options.push_back({std::move(left), std::string(help)});
  }
  void list_operand(std::string_view name, std::string_view help, bool several, Need need) {
    const bool optional = need == Need::optional;
    append(usage, ' ', optional ? "[" : "", name, several ? "…" : "", optional ? "]" : "");
    operands.push_back({cat(name, several ? "…" : ""), std::string(help)});
  }
};

Arguments::Arguments(std::string_view verb, std::string_view summary, std::initializer_list<Example> examples)
    : impl_(std::make_unique<Impl>()) {
  impl_->verb = verb;
  impl_->summary = summary;
  impl_->examples = examples;
  impl_->app.set_help_flag("-h,--help");
}

Arguments::~Arguments() = default;

void Arguments::flag(std::string_view names, bool& target, std::string_view help) {
  impl_->app.add_flag(std::string(names), target);
  impl_->list_option(names, "", help, false, Need::optional);
}

void Arguments::option(std::string_view names, std::string_view value, std::string& target, std::string_view help,
                       Need need) {
  impl_->finish(impl_->app.add_option(std::string(names), target), need);
  impl_->list_option(names, value, help, false, need);
}

void Arguments::option(std::string_view names, std::string_view value, std::optional<std::string>& target,
                       std::string_view help) {
  impl_->app.add_option_function<std::string>(std::string(names), [&target](const std::string& v) { target = v; });
  impl_->list_option(names, value, help, false, Need::optional);
}

void Arguments::options(std::string_view names, std::string_view value, std::vector<std::string>& target,
                        std::string_view help) {
  impl_->app.add_option(std::string(names), target);
  impl_->list_option(names, value, help, true, Need::optional);
}

void Arguments::operand(std::string_view name, std::string& target, std::string_view help, Need need) {
  impl_->finish(impl_->app.add_option(std::string(name), target), need);
  impl_->list_operand(name, help, false, need);
}

void Arguments::operands(std::string_view name, std::vector<std::string>& target, std::string_view help, Need need) {
  impl_->finish(impl_->app.add_option(std::string(name), target), need);
  impl_->list_operand(name, help, true, need);
}

std::optional<int> Arguments::parse(int argc, char** argv) {
  std::vector<std::string> words;  // The library wants them backwards.
  for (int i = argc - 1; i > 0; --i) words.emplace_back(argv[i]);
  try {
    impl_->app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return print(help());
  } catch (const CLI::ParseError& error) {
    return usage_error(message_of(error, impl_->app.remaining()));
  }
  return std::nullopt;
}

int Arguments::usage_error(std::string_view message) const {
  complain(impl_->verb, message);
  say(cat("Try `keepgate help ", impl_->verb, "`."));
  return exit_usage;
}

std::string Arguments::help() const {
  std::string out = "Examples:\n";
  for (const Example& one : impl_->examples) {
    if (!one.meaning.empty()) append(out, "  # ", one.meaning, "\n");
    append(out, "  ", one.line, "\n");
  }
  append(out, "\nUsage: keepgate ", impl_->verb, impl_->options.empty() ? "" : " [OPTION…]", impl_->usage, "\n\n",
         impl_->summary, "\n");
  append_lines(out, "Operands", impl_->operands);
  append_lines(out, "Options", impl_->options);
  return out;
}

}  // namespace keepgate::cli

// if, set, rewrite, break, return: nginx's rewrite module.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using Kind = ConditionModel::Kind;

bool is_redirect_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("$scheme");
}

StepModel& add_step(const Scope& scope, StepModel::Kind kind, const Directive& directive) {
  StepModel& step = scope.steps->emplace_back();
  step.kind = kind;
  step.at = directive.name.at;
  return step;
}

void add_return(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& first = directive.arguments[0];
  ReturnModel action;
  action.at = directive.name.at;
  const auto status = parse_unsigned<std::uint16_t>(first.text);
  if (directive.arguments.size() == 1 && is_redirect_url(first.text)) {
    action.status = 302;
    action.text = first;
  } else if (!status || *status > 999) {
    return reader.error(code::bad_value, cat("invalid return code '", printable(first.text), "'"), first.at,
                        "return CODE; return CODE TEXT; return CODE URL; or return URL;");
  } else {
    action.status = *status;
    if (directive.arguments.size() == 2) action.text = directive.arguments[1];
  }
  if (action.status == 0 || (action.status < 200 && action.status >= 100)) {
    return reader.error(code::bad_value, cat("invalid return code '", printable(first.text), "'"), first.at,
                        "an answer has a status from 200 to 999");
  }
  if (scope.context == in_server || scope.context == in_location) {
    auto& first_one = scope.context == in_location ? scope.location->return_action : scope.server->return_action;
    if (first_one) {
      return reader.warning(code::no_effect, "this 'return' is never reached: another one stands before it",
                            directive.name.at);
    }
    first_one = action;
  }
  add_step(scope, StepModel::Kind::return_, directive).action = std::move(action);
}

bool is_settable_name(std::string_view text) {
  return text.size() > 1 && text[0] == '$' &&
         std::ranges::all_of(text.substr(1), [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
}

void add_set(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& name = directive.arguments[0];
  if (!is_settable_name(name.text)) {
    return reader.error(code::bad_variable, cat("invalid variable name '", printable(name.text), "'"), name.at,
                        "set $name VALUE;");
  }
  if (equals_ignoring_case(name.text, "$limit_rate")) {
    return reader.not_built(name, "'set $limit_rate'", "limit_rate $name; with a variable of your own");
  }
  StepModel& step = add_step(scope, StepModel::Kind::set, directive);
  step.subject = name;
  step.name = to_lower(std::string_view(name.text).substr(1));
  step.value = directive.arguments[1];
}

void add_rewrite(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  StepModel::Flag flag = StepModel::Flag::none;
  if (words.size() == 3) {
    const std::string& text = words[2].text;
    flag = text == "last"        ? StepModel::Flag::last
           : text == "break"     ? StepModel::Flag::break_
           : text == "redirect"  ? StepModel::Flag::redirect
           : text == "permanent" ? StepModel::Flag::permanent
                                 : StepModel::Flag::none;
    if (flag == StepModel::Flag::none) {
      return reader.invalid_parameter(directive, words[2], "last, break, redirect or permanent");
    }
  }
  if (words[1].text.empty()) return reader.invalid_value(directive, words[1], "a path or a URL is expected");
  // As nginx: what is a URL redirects, whatever flag stands behind it but `permanent`.
  if (is_redirect_url(words[1].text) && flag != StepModel::Flag::permanent) flag = StepModel::Flag::redirect;
  StepModel& step = add_step(scope, StepModel::Kind::rewrite, directive);
  step.subject = words[0];
  step.value = words[1];
  step.flag = flag;
}

void add_break(Reader&, const Scope& scope, const Directive& directive) {
  add_step(scope, StepModel::Kind::break_, directive);
}

// The words between the brackets; nothing if there are none.
std::optional<std::vector<Word>> bracketed(const std::vector<Word>& words) {
  std::vector<Word> out = words;
  if (out.empty() || !out.front().text.starts_with('(') || !out.back().text.ends_with(')')) return std::nullopt;
  out.back().text.pop_back();
  if (out.back().text.empty()) out.pop_back();
  if (out.empty() || out.front().text.empty()) return std::nullopt;
  out.front().text.erase(0, 1);
  if (out.front().text.empty()) out.erase(out.begin());
  return out;
}

// The word in front of it, as nginx writes them: "=", "!=", "~", "~*", "!~", "!~*".
bool read_operator(std::string_view text, ConditionModel& condition) {
  condition.negated = text.starts_with('!');
  if (condition.negated) text.remove_prefix(1);
  condition.ignores_case = text == "~*";
  condition.kind = text == "=" ? Kind::equal : Kind::matches;
  return text == "=" || text == "~" || text == "~*";
}

std::optional<ConditionModel> read_condition(Reader& reader, const Directive& directive) {
  constexpr std::string_view forms = "if ($name), if ($name = VALUE), !=, ~ REGEX, ~*, !~ or !~*";
  const auto bad = [&](const Word& at) -> std::optional<ConditionModel> {
    reader.error(code::bad_value, cat("invalid condition \"", printable(at.text), "\""), at.at, std::string(forms));
    return std::nullopt;
  };
  const auto words = bracketed(directive.arguments);
  if (!words || words->empty()) return bad(directive.arguments.front());
  const std::string& first = words->front().text;
  constexpr std::string_view file_tests[] = {"-f", "!-f", "-d", "!-d", "-e", "!-e", "-x", "!-x"};
  if (std::ranges::find(file_tests, first) != std::end(file_tests)) {
    reader.not_built(words->front(), cat("condition '", first, "'"), "Keepgate serves no files and asks for none");
    return std::nullopt;
  }
  ConditionModel condition;
  condition.variable = words->front();
  if (!is_settable_name(first)) return bad(condition.variable);
  if (words->size() == 1) return condition;
  if (words->size() != 3 || !read_operator((*words)[1].text, condition)) return bad((*words)[1]);
  condition.value = (*words)[2];
  return condition;
}

void add_if(Reader& reader, const Scope& scope, const Directive& directive) {
  auto condition = read_condition(reader, directive);
  if (!condition || !reader.count_level(directive)) return;
  StepModel& step = add_step(scope, StepModel::Kind::if_, directive);
  step.condition = *std::move(condition);
  LevelOptions nowhere;  // In a server an `if` holds directives of this module only.
  Scope inner = scope;
  inner.context = scope.context == in_location ? in_if : in_server_if;
  inner.level = &nowhere;
  if (scope.context == in_location) {
    step.inner = inner_location(*scope.location);
    inner.location = step.inner.get();
    inner.level = &step.inner->options;
  }
  std::vector<StepModel> block;  // Not in place: the list that `step` is in may move meanwhile.
  inner.steps = &block;
  const std::size_t number = scope.steps->size() - 1;
  reader.read(directive.block, inner);
  (*scope.steps)[number].block = std::move(block);
}

constexpr std::uint32_t anywhere = in_server | in_location | in_if | in_server_if;

constexpr DirectiveRow rewrite_table[] = {
    {"return",
     anywhere,
     {1, 2},
     Support::built,
     add_return,
     "",
     "Answers at once, before limits and before authentication: a status with a text or a URL; 444 closes."},
    {"rewrite",
     anywhere,
     {2, 3},
     Support::built,
     add_rewrite,
     "",
     "REGEX REPLACEMENT [last|break|redirect|permanent]: another path, which is decided on by the location that it "
     "leads to (dot segments are resolved and slashes merged before that), or a redirect."},
    {"set", anywhere, {2, 2}, Support::built, add_set, "", "$name VALUE: gives a variable a value."},
    {"break", anywhere, {0, 0}, Support::built, add_break, "", "Ends the directives of this module for the request."},
    {"if",
     in_server | in_location,
     {1, many, true},
     Support::built,
     add_if,
     "",
     "Directives under a condition: ($name), ($name = VALUE), !=, ~ REGEX, ~*, !~, !~*. Access rules are those of the "
     "location."},
};

}  // namespace

std::unique_ptr<LocationModel> inner_location(const LocationModel& outer) {
  auto inner = std::make_unique<LocationModel>();
  inner->at = outer.at;
  inner->written = outer.written;
  inner->match = outer.match;
  inner->pattern = outer.pattern;
  inner->internal = outer.internal;
  inner->is_inner = true;
  return inner;
}

std::span<const DirectiveRow> rewrite_rows() { return rewrite_table; }

}  // namespace keepgate::conf

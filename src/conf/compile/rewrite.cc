// if, set, rewrite, break and return of one level as the program that runs.
#include "pipeline/rewrite.h"

#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

using pipeline::RewriteStep;
using route::LocationMatch;

bool is_redirect(std::uint16_t status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

// A level that only returns needs no program.
std::optional<pipeline::ReturnAction> Compiler::lone_return(const std::vector<StepModel>& steps) {
  if (steps.size() != 1 || steps[0].kind != StepModel::Kind::return_) return std::nullopt;
  return return_action(steps[0].action);
}

std::shared_ptr<const pipeline::RewriteProgram> Compiler::program(const std::vector<StepModel>& steps,
                                                                  const Location& location, const Level& level) {
  const bool is_lone = steps.size() == 1 && steps[0].kind == StepModel::Kind::return_;
  if (steps.empty() || is_lone) return nullptr;
  auto out = std::make_shared<pipeline::RewriteProgram>();
  add_steps(*out, steps, location, level, false);
  return out;
}

void Compiler::add_steps(pipeline::RewriteProgram& out, const std::vector<StepModel>& steps, const Location& location,
                         const Level& level, bool under_condition) {
  for (const StepModel& model : steps) {
    RewriteStep step;
    switch (model.kind) {
      case StepModel::Kind::return_:
        step.action = return_action(model.action);
        if (under_condition) check_conditional_return(model, location, level);
        break;
      case StepModel::Kind::set: {
        step.kind = model.name == "args" ? RewriteStep::Kind::set_arguments : RewriteStep::Kind::set;
        step.slot = names_.slot(model.name).value_or(0);
        step.value = text(model.value);
        warn_of_identity(model.value, "set");
        break;
      }
      case StepModel::Kind::rewrite:
        step.kind = RewriteStep::Kind::rewrite;
        step.rewrite = rewrite_rule(model);
        if (!step.rewrite) continue;
        break;
      case StepModel::Kind::break_:
        step.kind = RewriteStep::Kind::break_;
        break;
      case StepModel::Kind::if_:
        add_if(out, model, location, level);
        continue;
    }
    out.steps.push_back(std::move(step));
  }
}

void Compiler::add_if(pipeline::RewriteProgram& out, const StepModel& model, const Location& location,
                      const Level& level) {
  RewriteStep step;
  step.kind = RewriteStep::Kind::if_;
  step.condition = condition(model.condition, level);
  if (!step.condition) return;
  if (model.inner) step.location = inner_level(*model.inner, "if", level);
  const std::size_t number = out.steps.size();
  out.steps.push_back(std::move(step));
  add_steps(out, model.block, location, level, true);
  out.steps[number].skip_to = out.steps.size();
}

// The settings inside an `if` or a `limit_except`: those of the location around it, and its own.
std::uint32_t Compiler::inner_level(LocationModel& inner, std::string_view what, const Level& level) {
  const LocationModel& outer = *level.location;
  const bool has_own_target = inner.proxy_pass.has_value();
  if (has_own_target && inner.proxy_pass->text.find('$') == std::string::npos) {
    const auto target = parse_target(*inner.proxy_pass);
    if (target && !target->uri.empty()) {
      error(code::bad_value, cat("'proxy_pass' cannot have a URI part inside '", what, "'"), inner.proxy_pass->at,
            cat("write it without '", printable(target->uri, 60), "'"));
    }
  }
  if (!has_own_target) inner.proxy_pass = outer.proxy_pass;
  inherit(inner.options, outer.options);
  inner.index = static_cast<LocationNumber>(out_->locations.size());
  Location location;
  location.index = inner.index;
  location.pattern = cat(outer.written, ", ", what);
  location.internal = outer.internal;
  compile_level(location, Level{inner.options, level.server, &inner, inner.at});
  out_->locations.push_back(std::move(location));
  return inner.index;
}

std::optional<pipeline::Rewrite> Compiler::rewrite_rule(const StepModel& model) {
  std::string why;
  auto regex = route::Regex::compile(model.subject.text, false, why);
  if (!regex) {
    error(code::bad_regex, std::move(why), model.subject.at);
    return std::nullopt;
  }
  if (!bind_groups(*regex, model.subject.at)) return std::nullopt;
  pipeline::Rewrite rule{*std::move(regex), {}, {}};
  using Flag = StepModel::Flag;
  constexpr std::uint16_t moved_permanently = 301, found = 302;
  if (model.flag == Flag::redirect) rule.redirect_status = found;
  if (model.flag == Flag::permanent) rule.redirect_status = moved_permanently;
  rule.stays = model.flag == Flag::break_;
  rule.ends = model.flag == Flag::break_ || model.flag == Flag::last;
  std::string_view replacement = model.value.text;
  if (replacement.ends_with('?')) {  // nginx: a '?' at the end leaves the client's arguments out.
    rule.keeps_arguments = false;
    replacement.remove_suffix(1);
  }
  const std::size_t question = replacement.find('?');
  rule.has_query = question != std::string_view::npos;
  const auto part = [&](std::string_view written) { return text(Word{std::string(written), model.value.at, true}); };
  if (rule.redirect_status == 0 && rule.has_query) {
    rule.path = part(replacement.substr(0, question));
    rule.query = part(replacement.substr(question + 1));
  } else {
    rule.path = part(replacement);
  }
  return rule;
}

std::optional<pipeline::Condition> Compiler::condition(const ConditionModel& model, const Level& level) {
  pipeline::Condition out;
  const auto subject = variable(model.variable);
  if (!subject) return std::nullopt;
  out.subject = *subject;
  out.negated = model.negated;
  check_condition(model.variable, level);
  switch (model.kind) {
    case ConditionModel::Kind::is_true:
      break;
    case ConditionModel::Kind::equal:
      out.kind = pipeline::Condition::Kind::equal;
      out.value = text(model.value);
      break;
    case ConditionModel::Kind::matches: {
      out.kind = pipeline::Condition::Kind::matches;
      std::string why;
      out.regex = route::Regex::compile(model.value.text, model.ignores_case, why);
      if (!out.regex) {
        error(code::bad_regex, std::move(why), model.value.at);
        return std::nullopt;
      }
      if (!bind_groups(*out.regex, model.value.at)) return std::nullopt;
      break;
    }
  }
  return out;
}

void Compiler::warn_of_identity(const Word& word, std::string_view directive) {
  const std::string name = find_variable(text(word), route::reads_identity);
  if (name.empty()) return;
  warning(code::no_effect, cat(name, " is empty here: `", directive, "` runs before anybody is known"), word.at,
          "use auth_require, or a policy");
}

// `if` asks before any credential is looked at.
void Compiler::check_condition(const Word& word, const Level& level) {
  const route::Template value = text(word);
  warn_of_identity(word, "if");
  const std::string claim = find_variable(value, route::reads_jwt);
  if (claim.empty()) return;
  unsafe(code::early_condition, cat("`if` in ", level.described(), " asks for ", claim, ", which is not verified yet"),
         word.at, "use auth_jwt_require: it asks when the token is verified");
}

// As for a `return` without a condition; what tells nothing, and what only sends elsewhere, is for everybody.
void Compiler::check_conditional_return(const StepModel& model, const Location& location, const Level& level) {
  constexpr std::uint16_t no_content = 204, first_error = 400;
  const std::uint16_t status = model.action.status;
  if (status >= first_error || status == no_content || is_redirect(status) || level.is_internal()) return;
  if (!asks_for_credential_at(location)) return;
  unsafe(code::return_before_auth,
         cat("'return' in ", level.described(), " answers before any credential is looked at"), model.at,
         "say `authorize off` if the answer is for everybody");
}

// The levels inside a location, which are numbered behind it.
void Compiler::compile_inner(LocationModel& model, const Level& level) {
  if (model.limit_except) {
    const std::uint32_t number = inner_level(*model.limit_except->inner, "limit_except", level);
    out_->locations[model.index].method_limit = pipeline::MethodLimit{model.limit_except->allowed, number};
  }
  // A copy of what is needed: the vector moves when a level is added.
  const Location own = out_->locations[model.index];
  auto made = program(model.steps, own, level);
  out_->locations[model.index].program = std::move(made);
}

}  // namespace keepgate::conf

#include "pipeline/rewrite.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/percent.h"
#include "http/uri.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

namespace {

using End = RewriteResult::End;
using route::Regex;
using route::Variable;

void append_percent(std::string& out, char c) {
  constexpr char digits[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  append(out, '%', digits[byte >> 4], digits[byte & 15]);
}

// nginx's NGX_ESCAPE_ARGS.
bool is_special_in_arguments(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= ' ' || byte >= 0x7f || std::string_view("\"#%&+;<>?\\^`{|}").find(c) != std::string_view::npos;
}

// What a group took of the decoded path is escaped where it goes into arguments or a redirect; nginx does so where the
// client's path had an escape or a '+'.
std::string evaluate_escaping(Exchange& x, const route::Template& value) {
  const bool is_escaped = x.head().raw_path.find_first_of("%+") != std::string_view::npos;
  std::string out;
  for (const route::Template::Part& part : value.parts()) {
    if (!part.is_variable()) {
      out += part.literal;
      continue;
    }
    const std::string_view text = x.variable(part.reference);
    if (part.reference.variable != Variable::capture_ || !is_escaped) {
      out += text;
      continue;
    }
    for (const char c : text) is_special_in_arguments(c) ? append_percent(out, c) : out.push_back(c);
  }
  return out;
}

// nginx's NGX_UNESCAPE_REDIRECT: up to a '?' escapes of visible characters become the characters, but for '%' and those
// before it.
std::string unescape_redirect(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '?') return out += text.substr(i);
    const int byte = percent_byte(text, i);
    if (byte < 0) {
      out.push_back(text[i]);
      continue;
    }
    const char c = static_cast<char>(byte);
    if (c == '?') return append(out, c, text.substr(i + 3)), out;
    if (c > '%' && c < 0x7f) {
      out.push_back(c);
    } else {
      out += text.substr(i, 3);
    }
    i += 2;
  }
  return out;
}

RewriteResult refuse_rewrite(Exchange& x, std::uint16_t status, std::string reason) {
  x.refusal = {};
  x.refusal.status = status;
  x.refusal.code = status == 500 ? "internal" : "bad_path";
  x.refusal.reason = std::move(reason);
  return {};
}

// INVARIANT: routing, access rules and policies see one spelling of the new path, as of any that a client sends: what
// a group took may complete a dot segment, or a double slash, with the text around it.
bool set_path(Exchange& x, std::string_view decoded, std::string_view& why) {
  const std::string_view encoded = http::encode_path(decoded, x.arena);
  const http::Canonicalized canonical = http::canonicalize({encoded}, x.server().merge_slashes, x.arena);
  if (!canonical.valid) {
    why = canonical.reason;
    return false;
  }
  // Nobody reads slashes that were merged; whatever was odd about the client's own path stays odd.
  const auto merged = static_cast<std::uint16_t>(http::Ambiguity::double_slash);
  const std::uint16_t left_out = x.server().merge_slashes ? merged : std::uint16_t{0};
  x.path = canonical.path;
  x.ambiguities = static_cast<std::uint16_t>(x.ambiguities | (canonical.ambiguities & ~left_out));
  return true;
}

class Run {
 public:
  Run(Exchange& x, const RewriteProgram& program) : x_(x), steps_(program.steps) {}

  RewriteResult run();

 private:
  // Nothing: the next step. Else the program ends.
  std::optional<RewriteResult> step(const RewriteStep& one, std::size_t& next);
  std::optional<RewriteResult> rewrite(const Rewrite& rewrite);
  RewriteResult redirect(const Rewrite& rewrite);
  std::optional<bool> holds(const Condition& condition);
  // What an upstream said may be gone before the request ends.
  std::string_view kept(const route::Template& value) {
    if (value.is_literal()) return x_.evaluate(value);
    return x_.arena.copy(escapes_groups_ ? evaluate_escaping(x_, value) : cat(x_.evaluate(value)));
  }
  RewriteResult end() const { return {changed_ ? End::route : End::go_on}; }

  Exchange& x_;
  const std::vector<RewriteStep>& steps_;
  bool changed_ = false;
  bool escapes_groups_ = true;  // In the values of `set` and `if`: nginx does so until the first rewrite that matches.
};

// Nothing: the expression could not be matched within its limits.
std::optional<bool> Run::holds(const Condition& condition) {
  const std::string_view subject = x_.variable(condition.subject);
  bool result = false;
  switch (condition.kind) {
    case Condition::Kind::is_true:
      result = !subject.empty() && subject != "0";
      break;
    case Condition::Kind::equal:
      result = subject == kept(condition.value);
      break;
    case Condition::Kind::matches: {
      const Regex::Match match = condition.regex->match_for(subject, &x_);
      if (match == Regex::Match::failed) return std::nullopt;
      if (match == Regex::Match::no) x_.forget_groups();
      result = match == Regex::Match::yes;
      break;
    }
  }
  return result != condition.negated;
}

RewriteResult Run::redirect(const Rewrite& rewrite) {
  std::string target = unescape_redirect(evaluate_escaping(x_, rewrite.path));
  if (rewrite.keeps_arguments && !x_.query.empty()) append(target, rewrite.has_query ? '&' : '?', x_.query);
  x_.redirect = {};
  x_.redirect.status = rewrite.redirect_status;
  x_.redirect.has_text = true;
  x_.redirect.text = route::Template::literal(target);
  return {End::answer, &x_.redirect};
}

std::optional<RewriteResult> Run::rewrite(const Rewrite& rewrite) {
  switch (rewrite.regex.match_for(x_.path.text, &x_)) {
    case Regex::Match::yes:
      break;
    case Regex::Match::no:
      x_.forget_groups();
      return std::nullopt;
    case Regex::Match::failed:
      return refuse_rewrite(x_, 500, "the regex of a rewrite reached its match limit");
  }
  escapes_groups_ = false;
  if (rewrite.redirect_status != 0) return redirect(rewrite);
  const std::string path = cat(x_.evaluate(rewrite.path));
  std::string query = rewrite.query ? evaluate_escaping(x_, *rewrite.query) : std::string();
  if (rewrite.query) {
    if (rewrite.keeps_arguments && !x_.query.empty()) append(query, '&', x_.query);
    x_.query = encode_query(x_.arena.copy(query), x_.arena);
  } else if (!rewrite.keeps_arguments) {
    x_.query = {};
  }
  if (path.empty()) return refuse_rewrite(x_, 500, "the rewritten URI has a zero length");
  if (path.front() != '/')
    return refuse_rewrite(x_, 500, cat("the rewritten URI \"", printable(path), "\" has no '/' in front"));
  x_.uri_changed = x_.internal = true;
  changed_ = !rewrite.stays;
  x_.path_is_whole = x_.path_is_whole || rewrite.stays;
  std::string_view why;
  if (!set_path(x_, x_.arena.copy(path), why)) return refuse_rewrite(x_, 400, cat("the rewritten path: ", why));
  return rewrite.ends ? std::optional(end()) : std::nullopt;
}

std::optional<RewriteResult> Run::step(const RewriteStep& one, std::size_t& next) {
  switch (one.kind) {
    case RewriteStep::Kind::return_:
      return RewriteResult{End::answer, &one.action};
    case RewriteStep::Kind::set:
      x_.set_slot(one.slot, kept(one.value));
      return std::nullopt;
    case RewriteStep::Kind::set_arguments:
      x_.query = encode_query(kept(one.value), x_.arena);
      x_.uri_changed = true;
      return std::nullopt;
    case RewriteStep::Kind::rewrite:
      return rewrite(*one.rewrite);
    case RewriteStep::Kind::break_:
      x_.path_is_whole = x_.path_is_whole || changed_;
      changed_ = false;
      return end();
    case RewriteStep::Kind::if_: {
      const std::optional<bool> is_so = holds(*one.condition);
      if (!is_so) return refuse_rewrite(x_, 500, "the regex of an `if` reached its match limit");
      if (!*is_so) {
        next = one.skip_to;
      } else if (one.location) {
        x_.set_location(x_.snapshot().locations[*one.location]);
      }
      return std::nullopt;
    }
  }
  return std::nullopt;
}

RewriteResult Run::run() {
  std::size_t next = 0;
  while (next < steps_.size()) {
    const RewriteStep& one = steps_[next++];
    if (auto result = step(one, next)) return *result;
  }
  return end();
}

}  // namespace

RewriteResult run_program(Exchange& exchange, const RewriteProgram& program) { return Run(exchange, program).run(); }

std::string_view encode_query(std::string_view text, Arena& arena) {
  const auto is_odd = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte >= 0x7f || c == '#';
  };
  if (std::ranges::none_of(text, is_odd)) return text;
  std::string out;
  for (const char c : text) is_odd(c) ? append_percent(out, c) : out.push_back(c);
  return arena.copy(out);
}

}  // namespace keepgate::pipeline

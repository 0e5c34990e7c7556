// proxy_redirect and proxy_cookie_*: the rules as they run.
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "proxy/rewrites.h"

namespace keepgate::conf {

namespace {

using route::Regex;
using route::Template;

// The configuration's names, and the groups of one expression.
class NamesWithGroups final : public route::VariableNames {
 public:
  NamesWithGroups(const route::VariableNames& names, const Regex& regex) : names_(names), regex_(regex) {}

  std::optional<std::uint32_t> map_index(std::string_view name) const override { return names_.map_index(name); }
  std::optional<route::VariableRef> jwt_path(std::string_view name) const override { return names_.jwt_path(name); }
  std::optional<route::VariableRef> defined(std::string_view name) const override { return names_.defined(name); }
  std::optional<std::uint32_t> capture(std::string_view name) const override {
    if (name.size() == 1 && name[0] >= '1' && name[0] <= '9') return static_cast<std::uint32_t>(name[0] - '0');
    for (const auto& [known, number] : regex_.names()) {
      if (known == name) return number;
    }
    return std::nullopt;
  }

 private:
  const route::VariableNames& names_;
  const Regex& regex_;
};

std::string_view without_first_dot(std::string_view domain) {
  return domain.starts_with('.') ? domain.substr(1) : domain;
}

}  // namespace

// "~…" or, without case, "~*…"; nothing if it is none or is wrong, which is told.
std::optional<Regex> Compiler::rewrite_regex(const Word& word, Letters letters) {
  std::string_view pattern = word.text;
  if (!pattern.starts_with('~')) return std::nullopt;
  pattern.remove_prefix(1);
  const bool starred = letters == Letters::by_star && pattern.starts_with('*');
  if (starred) pattern.remove_prefix(1);
  std::string why;
  auto regex = Regex::compile(pattern, starred || letters == Letters::without_case, why);
  if (!regex) error(code::bad_regex, std::move(why), word.at);
  return regex;
}

std::vector<proxy::RewriteRule> Compiler::rewrite_rules(const std::optional<RewritesModel>& model, RewriteKind kind) {
  std::vector<proxy::RewriteRule> rules;
  if (!model) return rules;
  const bool domain = kind == RewriteKind::domain;
  const auto compiled = [&](const Word& word, const route::VariableNames& names) {
    std::string why;
    auto value = Template::compile(domain ? without_first_dot(word.text) : word.text, names, why);
    if (!value) error(code::bad_variable, std::move(why), word.at);
    return std::move(value).value_or(Template());
  };
  for (const RewriteModel& one : model->rules) {
    if (one.to.empty()) continue;  // `default`, which knows its target.
    proxy::RewriteRule& rule = rules.emplace_back();
    if (one.from.text.starts_with('~')) {
      rule.regex = rewrite_regex(one.from, domain ? Letters::without_case : Letters::by_star);
      if (!rule.regex) {
        rules.pop_back();
        continue;
      }
      std::string why;
      auto value = Template::compile(one.to[0].text, NamesWithGroups(names_, *rule.regex), why);
      if (!value) error(code::bad_variable, std::move(why), one.to[0].at);
      if (value) rule.to = *std::move(value);
    } else {
      rule.from = compiled(one.from, names_);
      rule.to = compiled(one.to[0], names_);
    }
  }
  return rules;
}

// Where proxy_pass has a URI, that becomes the location; else the upstream's root becomes ours. As nginx has it.
proxy::RewriteRule Compiler::default_redirect(const Location& out, const Level& level) {
  const std::string& url = level.location->proxy_pass->text;
  proxy::RewriteRule rule;
  rule.from = Template::literal(out.path_replacement ? url : cat(url, '/'));
  rule.to = Template::literal(out.path_replacement ? level.location->pattern : "/");
  return rule;
}

std::vector<proxy::RewriteRule> Compiler::redirect_rules(const Location& out, const Level& level, bool fixed) {
  const std::optional<RewritesModel>& model = level.options.proxy_redirect;
  std::vector<proxy::RewriteRule> rules;
  if (!model) {
    if (fixed) rules.push_back(default_redirect(out, level));
    return rules;
  }
  for (const RewriteModel& one : model->rules) {
    if (!one.to.empty()) {
      for (proxy::RewriteRule& rule : rewrite_rules(RewritesModel{false, {one}}, RewriteKind::beginning)) {
        rules.push_back(std::move(rule));
      }
    } else if (fixed) {
      rules.push_back(default_redirect(out, level));
    } else {
      error(code::bad_value, "'proxy_redirect default' cannot be used where 'proxy_pass' has variables", one.from.at,
            "say what becomes of which URL: proxy_redirect FROM TO;");
    }
  }
  return rules;
}

std::shared_ptr<const proxy::Rewrites> Compiler::rewrites(const Location& out, const Level& level, bool fixed) {
  const LevelOptions& options = level.options;
  auto made = std::make_shared<proxy::Rewrites>();
  made->redirects = redirect_rules(out, level, fixed);
  made->cookie_domains = rewrite_rules(options.proxy_cookie_domain, RewriteKind::domain);
  made->cookie_paths = rewrite_rules(options.proxy_cookie_path, RewriteKind::beginning);
  for (const RewriteModel& one : options.proxy_cookie_flags.value_or(RewritesModel{}).rules) {
    proxy::CookieFlagsRule& rule = made->cookie_flags.emplace_back();
    rule.regex = rewrite_regex(one.from, Letters::without_case);
    if (!rule.regex) rule.name = text(one.from);
    for (const Word& flag : one.to) rule.flags.push_back(text(flag));
  }
  return made->redirects.empty() && !made->touches_cookies() ? nullptr : made;
}

}  // namespace keepgate::conf

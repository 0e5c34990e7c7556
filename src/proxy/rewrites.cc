#include "proxy/rewrites.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/diagnostics.h"
#include "base/log.h"

namespace keepgate::proxy {

using pipeline::Exchange;

namespace {

// The exchange's variables, and the groups of the expression that matched.
class WithCaptures final : public route::VariableSource {
 public:
  WithCaptures(Exchange& exchange, const route::Captures& captures) : exchange_(exchange), captures_(captures) {}
  std::string_view variable(const route::VariableRef& reference) override {
    if (reference.variable == route::Variable::capture_) return captures_.at(reference.index);
    return exchange_.variable(reference);
  }

 private:
  Exchange& exchange_;
  const route::Captures& captures_;
};

// What a regular expression makes of the whole value; nothing if it does not match.
std::optional<std::string> replaced_by_regex(Exchange& x, const RewriteRule& rule, std::string_view value) {
  route::Captures captures;
  if (rule.regex->match(value, captures) != route::Regex::Match::yes) return std::nullopt;
  WithCaptures source(x, captures);
  return std::string(rule.to.evaluate(source, x.arena));
}

std::optional<std::string> replace_beginning(Exchange& x, const std::vector<RewriteRule>& rules,
                                             std::string_view value) {
  for (const RewriteRule& rule : rules) {
    if (rule.regex) {
      if (auto made = replaced_by_regex(x, rule, value)) return made;
      continue;
    }
    const std::string_view from = x.evaluate(rule.from);
    if (value.starts_with(from)) return cat(x.evaluate(rule.to), value.substr(from.size()));
  }
  return std::nullopt;
}

// A first dot is not compared, and stays.
std::optional<std::string> replace_domain(Exchange& x, const std::vector<RewriteRule>& rules, std::string_view value) {
  const std::string_view dot = value.starts_with('.') ? value.substr(0, 1) : std::string_view();
  for (const RewriteRule& rule : rules) {
    if (rule.regex) {
      if (auto made = replaced_by_regex(x, rule, value)) return made;
      continue;
    }
    if (!equals_ignoring_case(value.substr(dot.size()), x.evaluate(rule.from))) continue;
    return cat(dot, x.evaluate(rule.to));
  }
  return std::nullopt;
}

// "name=value", "Path=/", "Secure": one part of a cookie.
struct Attribute {
  std::string key;
  std::optional<std::string> value;
  bool gone = false;
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<Attribute> split_cookie(std::string_view text) {
  std::vector<Attribute> parts;
  while (true) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, end);
    const std::size_t equals = part.find('=');
    Attribute& attribute = parts.emplace_back();
    attribute.key = trimmed(part.substr(0, equals));
    if (equals != std::string_view::npos) attribute.value = trimmed(part.substr(equals + 1));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join_cookie(const std::vector<Attribute>& parts) {
  std::string out;
  for (const Attribute& part : parts) {
    if (part.gone) continue;
    if (&part != &parts.front()) out += "; ";
    out += part.key;
    if (part.value) append(out, '=', *part.value);
  }
  return out;
}

// What the flags of a rule come to for one attribute. `keep`: it stays as the upstream set it.
enum class Flag : std::uint8_t { keep = 0, set, drop };

struct Flags {
  Flag secure = Flag::keep, http_only = Flag::keep, same_site = Flag::keep;
  std::string_view same_site_value;
};

void add_flag(std::string_view written, Flags& flags) {
  const std::string text = to_lower(written);
  constexpr std::array<std::string_view, 3> values = {"Strict", "Lax", "None"};
  const auto set = [](Flag& flag, bool on) {
    // As in nginx: what sets a flag goes before what drops it.
    if (flag != Flag::set) flag = on ? Flag::set : Flag::drop;
  };
  if (text == "secure" || text == "nosecure") return set(flags.secure, text == "secure");
  if (text == "httponly" || text == "nohttponly") return set(flags.http_only, text == "httponly");
  if (text == "nosamesite") return set(flags.same_site, false);
  for (const std::string_view value : values) {
    if (text != cat("samesite=", to_lower(value))) continue;
    set(flags.same_site, true);
    const auto rank = [&](std::string_view one) { return std::ranges::find(values, one) - values.begin(); };
    if (flags.same_site_value.empty() || rank(value) < rank(flags.same_site_value)) flags.same_site_value = value;
    return;
  }
  log(LogLevel::error, "unknown proxy_cookie_flags \"", printable(written), '"');
}

std::optional<Flags> flags_for(Exchange& x, const std::vector<CookieFlagsRule>& rules, std::string_view name) {
  for (const CookieFlagsRule& rule : rules) {
    const bool matches = rule.regex ? rule.regex->matches(name) : equals_ignoring_case(x.evaluate(rule.name), name);
    if (!matches) continue;
    Flags flags;
    for (const route::Template& flag : rule.flags) {
      if (const std::string_view text = x.evaluate(flag); !text.empty()) add_flag(text, flags);
    }
    return flags;
  }
  return std::nullopt;
}

void apply_flag(std::vector<Attribute>& parts, std::string_view key, Flag flag, std::optional<std::string> value) {
  if (flag == Flag::keep) return;
  bool found = false;
  for (Attribute& part : parts) {
    if (&part == &parts.front() || !equals_ignoring_case(part.key, key)) continue;
    // Only the first is the flag that was asked for.
    if (flag == Flag::set && !found && value) part.value = value;
    found = true;
    part.gone = flag == Flag::drop;
  }
  if (flag == Flag::set && !found) parts.push_back({std::string(key), std::move(value), false});
}

}  // namespace

std::optional<std::string> rewritten_url(Exchange& x, const std::vector<RewriteRule>& rules, std::string_view url) {
  return replace_beginning(x, rules, url);
}

std::optional<std::string> rewritten_refresh(Exchange& x, const Rewrites& rewrites, std::string_view value) {
  constexpr std::string_view mark = "url=";
  const auto found = std::ranges::search(value, mark, [](char a, char b) { return to_lower(a) == b; });
  if (found.empty()) return std::nullopt;
  const auto begin = static_cast<std::size_t>(found.end() - value.begin());
  auto url = rewritten_url(x, rewrites.redirects, value.substr(begin));
  if (url) url->insert(0, value.substr(0, begin));
  return url;
}

std::optional<std::string> rewritten_cookie(Exchange& x, const Rewrites& rewrites, std::string_view value) {
  std::vector<Attribute> parts = split_cookie(value);
  if (!parts.front().value) return std::nullopt;  // No cookie.
  bool changed = false;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (!parts[i].value) continue;
    std::optional<std::string> made;
    if (equals_ignoring_case(parts[i].key, "domain"))
      made = replace_domain(x, rewrites.cookie_domains, *parts[i].value);
    if (equals_ignoring_case(parts[i].key, "path")) made = replace_beginning(x, rewrites.cookie_paths, *parts[i].value);
    changed = changed || made;
    if (made) parts[i].value = std::move(made);
  }
  if (const auto flags = flags_for(x, rewrites.cookie_flags, parts.front().key)) {
    apply_flag(parts, "Secure", flags->secure, std::nullopt);
    apply_flag(parts, "HttpOnly", flags->http_only, std::nullopt);
    apply_flag(parts, "SameSite", flags->same_site, std::string(flags->same_site_value));
    changed = true;
  }
  if (!changed) return std::nullopt;
  return join_cookie(parts);
}

}  // namespace keepgate::proxy

#include "proxy/rewrites.h"

#include <algorithm>
#include <utility>

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

// The flags of a rule; some may contradict each other. One that sets is used up by the first attribute of its kind.
struct Flags {
  bool secure = false, no_secure = false, http_only = false, no_http_only = false, no_same_site = false;
  bool strict = false, lax = false, none = false;  // SameSite

  std::string_view take_same_site() {
    if (std::exchange(strict, false)) return "Strict";
    if (std::exchange(lax, false)) return "Lax";
    return std::exchange(none, false) ? "None" : "";
  }
};

void add_flag(std::string_view written, Flags& flags) {
  struct Name {
    std::string_view text;
    bool Flags::*flag;
  };
  constexpr Name names[] = {{"secure", &Flags::secure},          {"nosecure", &Flags::no_secure},
                            {"httponly", &Flags::http_only},     {"nohttponly", &Flags::no_http_only},
                            {"samesite=strict", &Flags::strict}, {"samesite=lax", &Flags::lax},
                            {"samesite=none", &Flags::none},     {"nosamesite", &Flags::no_same_site}};
  const auto* const found =
      std::ranges::find_if(names, [&](const Name& name) { return equals_ignoring_case(name.text, written); });
  if (found != std::end(names)) {
    flags.*found->flag = true;
  } else {
    log(LogLevel::error, "unknown proxy_cookie_flags \"", printable(written), '"');
  }
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

void apply_flags(std::vector<Attribute>& parts, Flags flags) {
  for (Attribute& part : parts) {
    if (&part == &parts.front()) continue;
    if (equals_ignoring_case(part.key, "secure")) {
      part.gone = !std::exchange(flags.secure, false) && flags.no_secure;
    } else if (equals_ignoring_case(part.key, "httponly")) {
      part.gone = !std::exchange(flags.http_only, false) && flags.no_http_only;
    } else if (equals_ignoring_case(part.key, "samesite")) {
      if (const std::string_view value = flags.take_same_site(); !value.empty()) {
        part = {"SameSite", std::string(value), false};
      } else {
        part.gone = flags.no_same_site;
      }
    }
  }
  if (flags.secure) parts.push_back({"Secure", std::nullopt, false});
  if (flags.http_only) parts.push_back({"HttpOnly", std::nullopt, false});
  if (const std::string_view value = flags.take_same_site(); !value.empty()) {
    parts.push_back({"SameSite", std::string(value), false});
  }
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
    apply_flags(parts, *flags);
    changed = true;
  }
  if (!changed) return std::nullopt;
  return join_cookie(parts);
}

}  // namespace keepgate::proxy

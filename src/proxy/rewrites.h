// Rewrites: what proxy_redirect and proxy_cookie_* change in an upstream's Location, Refresh and Set-Cookie.
//
// The first rule that matches decides, as in nginx. Thread rule: immutable; rewriting runs on the worker of the
// exchange. Bound: a value is looked at once for each rule, and parts of cookies once for each rule of their kind.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "pipeline/exchange.h"
#include "route/regex.h"
#include "route/template.h"

namespace keepgate::proxy {

struct RewriteRule {
  std::optional<route::Regex> regex;  // Takes the whole value; else `from` is compared.
  route::Template from;
  route::Template to;
};

struct CookieFlagsRule {
  std::optional<route::Regex> regex;  // For names of cookies; else `name` without case.
  route::Template name;
  std::vector<route::Template> flags;  // secure, nosecure, httponly, …, samesite=…, nosamesite.
};

struct Rewrites {
  std::vector<RewriteRule> redirects;       // `from`: how the URL begins.
  std::vector<RewriteRule> cookie_domains;  // `from`: the domain without its first dot, without case.
  std::vector<RewriteRule> cookie_paths;    // `from`: how the path begins.
  std::vector<CookieFlagsRule> cookie_flags;

  bool touches_cookies() const { return !cookie_domains.empty() || !cookie_paths.empty() || !cookie_flags.empty(); }
};

// The URL of a Location, or of a Refresh behind its "url=". Nothing: it stays as it is.
std::optional<std::string> rewritten_url(pipeline::Exchange& exchange, const std::vector<RewriteRule>& rules,
                                         std::string_view url);
// The value of a Refresh or a Set-Cookie. Nothing: it stays as it is.
std::optional<std::string> rewritten_refresh(pipeline::Exchange& exchange, const Rewrites& rewrites,
                                             std::string_view value);
std::optional<std::string> rewritten_cookie(pipeline::Exchange& exchange, const Rewrites& rewrites,
                                            std::string_view value);

}  // namespace keepgate::proxy

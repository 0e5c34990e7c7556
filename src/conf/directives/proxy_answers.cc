// What proxy_redirect and proxy_cookie_* change in the answers of upstreams.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

// `off` stands alone at its level, as in nginx. nullptr: there is nothing to add.
template <auto Member>
RewritesModel* rewrites_of(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->*Member;
  const bool off = directive.arguments.size() == 1 && directive.arguments[0].text == "off";
  if (place && (off || place->off)) {
    reader.duplicate(directive);
    return nullptr;
  }
  if (!place) place.emplace();
  place->off = off;
  return off ? nullptr : &*place;
}

void add_redirect(Reader& reader, const Scope& scope, const Directive& directive) {
  RewritesModel* const model = rewrites_of<&O::proxy_redirect>(reader, scope, directive);
  if (!model) return;
  const std::vector<Word>& words = directive.arguments;
  if (words.size() == 2) return model->rules.push_back({words[0], {words[1]}});
  if (words[0].text != "default") return reader.invalid_value(directive, words[0], "default, off, or two values");
  model->rules.push_back({words[0], {}});
}

template <auto Member>
void add_rewrite(Reader& reader, const Scope& scope, const Directive& directive) {
  RewritesModel* const model = rewrites_of<Member>(reader, scope, directive);
  if (!model) return;
  const std::vector<Word>& words = directive.arguments;
  if (words.size() != 2) return reader.invalid_value(directive, words[0], "off, or two values");
  model->rules.push_back({words[0], {words[1]}});
}

void add_cookie_flags(Reader& reader, const Scope& scope, const Directive& directive) {
  constexpr std::string_view known[] = {"secure",          "nosecure",     "httponly",      "nohttponly",
                                        "samesite=strict", "samesite=lax", "samesite=none", "nosamesite"};
  RewritesModel* const model = rewrites_of<&O::proxy_cookie_flags>(reader, scope, directive);
  if (!model) return;
  const std::vector<Word>& words = directive.arguments;
  if (words.size() == 1) return reader.invalid_parameter(directive, words[0], "off, or a cookie and its flags");
  for (std::size_t i = 1; i < words.size(); ++i) {
    const bool listed =
        std::ranges::any_of(known, [&](std::string_view flag) { return equals_ignoring_case(flag, words[i].text); });
    if (!listed && !has_variable(words[i])) {
      return reader.invalid_value(directive, words[i],
                                  "secure, httponly, samesite=strict, samesite=lax, samesite=none, nosecure, "
                                  "nohttponly, nosamesite");
    }
  }
  model->rules.push_back({words[0], {words.begin() + 1, words.end()}});
}

constexpr DirectiveRow proxy_answers_table[] = {
    {"proxy_redirect",
     in_levels,
     {1, 2},
     Support::built,
     add_redirect,
     "default",
     "How the beginning of a URL in Location and Refresh is replaced: default, off, or two texts with variables; "
     "a first one with ~ or ~* is a regular expression for the whole URL. The first that matches counts."},
    {"proxy_cookie_domain",
     in_levels,
     {1, 2},
     Support::built,
     add_rewrite<&O::proxy_cookie_domain>,
     "off",
     "Replaces the domain of cookies that an upstream sets; ~ begins a regular expression, without case."},
    {"proxy_cookie_path",
     in_levels,
     {1, 2},
     Support::built,
     add_rewrite<&O::proxy_cookie_path>,
     "off",
     "Replaces the beginning of the path of cookies that an upstream sets; ~ or ~* begins a regular expression."},
    {"proxy_cookie_flags",
     in_levels,
     {1, 4},
     Support::built,
     add_cookie_flags,
     "off",
     "Sets or drops flags of the cookie with that name, or of those that a regular expression behind ~ matches: "
     "secure, "
     "httponly, samesite=strict, samesite=lax, samesite=none, and with no in front of each to drop it."},
};

}  // namespace

std::span<const DirectiveRow> proxy_answer_rows() { return proxy_answers_table; }

}  // namespace keepgate::conf

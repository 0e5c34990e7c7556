#include "oauth/page_frame.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "oauth/html.h"
#include "oauth/page_text.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t style_version_length = 12;

// RFC 3986 §3.1, in small letters. Nothing for what a browser would run or show itself.
std::string scheme_source(std::string_view uri) {
  constexpr std::string_view never[] = {"javascript", "data",  "blob", "filesystem",
                                        "vbscript",   "about", "file", "view-source"};
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_alpha(uri.front())) return {};
  const std::string scheme = to_lower(uri.substr(0, colon));
  const auto is_good = [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; };
  if (!std::ranges::all_of(scheme, is_good) || std::ranges::find(never, scheme) != std::end(never)) return {};
  return cat(" ", scheme, ":");
}

// Both schemes at once: `light-dark()` is younger than the browsers people have. Contrasts are 4.5:1 and more (WCAG
// §1.4.3), edges of fields and the focus 3:1 (§1.4.11); what can be pressed is 44 px high.
constexpr std::string_view style_text = R"css(:root {
  color-scheme: light dark;
  --page: #f3f4f8; --card: #ffffff; --ink: #1b1d28; --soft: #565b70; --line: #d9dce6; --edge: #7d8297;
  --accent: #3a4fd0; --accent-ink: #ffffff; --accent-over: #2c3eb0; --wash: #eef0fb;
  --bad: #a8141f; --bad-wash: #fdeeee; --bad-line: #e9b4b7; --warn-wash: #fdf5e3; --warn-line: #e3cd94; --warn: #6b4a00;
  --shadow: 0 1px 2px rgb(20 22 40 / .06), 0 12px 32px rgb(20 22 40 / .08);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11131a; --card: #1b1e28; --ink: #eceef5; --soft: #a9aec2; --line: #323747; --edge: #7f869d;
    --accent: #9aa9ff; --accent-ink: #10142e; --accent-over: #b6c1ff; --wash: #252a3a;
    --bad: #ffb3b3; --bad-wash: #3a1e22; --bad-line: #743239;
    --warn-wash: #342b17; --warn-line: #6a5624; --warn: #f5d68b;
    --shadow: 0 1px 2px rgb(0 0 0 / .4), 0 12px 32px rgb(0 0 0 / .35);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; padding: 3rem 1rem; display: flex; flex-direction: column; align-items: center;
  background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
}
main {
  width: 100%; max-width: 27rem; margin: auto 0; padding: 2.25rem 2rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 1rem; box-shadow: var(--shadow);
}
.site { display: flex; align-items: center; gap: .55rem; margin: 0 0 1.5rem; color: var(--soft); font-size: .9375rem; }
.site::before {
  content: ""; flex: none; width: .7rem; height: .7rem; border: 3px solid var(--accent); border-radius: 50%;
}
h1 { margin: 0 0 .5rem; font-size: 1.55rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
p { margin: 0 0 1rem; }
h1, p, li, dd { overflow-wrap: anywhere; }
.lead { color: var(--soft); }
.lead strong, .who strong { color: var(--ink); font-weight: 600; }
form { margin: 1.5rem 0 0; }
label { display: block; margin: 0 0 .35rem; font-weight: 600; font-size: .9375rem; }
input {
  display: block; width: 100%; min-height: 2.875rem; margin: 0 0 1.1rem; padding: .6rem .8rem; font: inherit;
  color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .6rem;
}
input[aria-invalid="true"] { border-color: var(--bad); }
input.code {
  font: 1.35rem/1.3 ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace; letter-spacing: .18em;
}
button {
  display: block; width: 100%; min-height: 2.875rem; margin: .75rem 0 0; padding: .6rem 1rem; font: inherit;
  font-weight: 600; color: var(--accent-ink); background: var(--accent); border: 1px solid var(--accent);
  border-radius: .6rem; cursor: pointer;
}
button:hover { background: var(--accent-over); border-color: var(--accent-over); }
button.quiet { color: var(--ink); background: transparent; border-color: var(--edge); }
button.quiet:hover { background: var(--wash); }
input:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.problem, .warning {
  margin: 1.25rem 0 0; padding: .75rem .9rem; border: 1px solid; border-radius: .6rem; font-size: .9375rem;
}
.problem { color: var(--bad); background: var(--bad-wash); border-color: var(--bad-line); }
.warning { color: var(--warn); background: var(--warn-wash); border-color: var(--warn-line); }
ul { margin: 1rem 0; padding: 0; list-style: none; border: 1px solid var(--line); border-radius: .6rem; }
li { padding: .7rem .9rem .7rem 2.3rem; position: relative; }
li + li { border-top: 1px solid var(--line); }
li::before {
  content: ""; position: absolute; left: 1rem; top: 1.15rem; width: .6rem; height: .3rem;
  border: solid var(--accent); border-width: 0 0 2px 2px; transform: rotate(-45deg);
}
li code { display: block; color: var(--soft); }
code, .show {
  font-family: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace; font-size: .875rem;
}
.show {
  margin: .25rem 0 1rem; padding: .7rem; text-align: center; font-size: 1.5rem; font-weight: 600; letter-spacing: .12em;
  background: var(--wash); border-radius: .6rem;
}
.who {
  margin: 1.5rem 0 0; padding: 1rem 0 0; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem;
}
.note { margin: .75rem 0 0; color: var(--soft); font-size: .875rem; }
@media (max-width: 30rem) {
  body { padding: 0; background: var(--card); }
  main { max-width: none; margin: 0; padding: 1.75rem 1.25rem; border: 0; border-radius: 0; box-shadow: none; }
}
@media (forced-colors: active) { .site::before, li::before { forced-color-adjust: none; } }
)css";

}  // namespace

std::string document(const PageFrame& frame, std::string_view title, std::string_view content) {
  const std::string site = escape_html(frame.site);
  return cat(
      "<!doctype html>\n<html lang=\"", text::language, "\">\n<head>\n<meta charset=\"utf-8\">\n<title>",
      escape_html(title), site.empty() ? "" : " \xc2\xb7 ", site,
      "</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex, nofollow\">\n"
      "<link rel=\"stylesheet\" href=\"",
      escape_html(page_style_url(frame.base)), "\">\n</head>\n<body>\n<main>\n<p class=\"site\">", site, "</p>\n",
      content, "</main>\n</body>\n</html>\n");
}

std::string_view page_style() { return style_text; }

std::string page_style_url(std::string_view base) {
  static const std::string version = crypto::sha256_hex(style_text).substr(0, style_version_length);
  return cat(base, page_style_path, "?v=", version);
}

std::vector<PageField> page_fields(std::string_view redirect_uri) {
  std::string policy = cat("default-src 'none'; style-src 'self'; form-action 'self'", scheme_source(redirect_uri),
                           "; frame-ancestors 'none'; base-uri 'none'");
  return {{"Content-Security-Policy", std::move(policy)},
          {"X-Frame-Options", "DENY"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"},
          {"Cache-Control", "no-store"}};
}

std::vector<PageField> style_fields() {
  return {{"X-Content-Type-Options", "nosniff"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
          {"Cache-Control", "public, max-age=86400"}};
}

}  // namespace keepgate::oauth

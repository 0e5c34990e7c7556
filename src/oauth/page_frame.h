// What every page has around its content, the style sheet, and the header fields that keep a page where it is.
//
// Thread rule: pure functions. The style sheet is text of ours, served at page_style_path below the issuer's path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keepgate::oauth {

inline constexpr std::string_view page_style_path = "/style.css";

struct PageFrame {
  std::string_view base;  // The path of the issuer's URL without a slash at its end; usually empty.
  std::string_view site;  // The issuer's host, shown so that people see where they are.
};

// A whole document; `content` is HTML of ours. `title` is escaped here.
std::string document(const PageFrame& frame, std::string_view title, std::string_view content);

std::string_view page_style();
// With a part of its hash behind it, so that it may be kept for long and a changed one is fetched.
std::string page_style_url(std::string_view base);

struct PageField {
  std::string_view name;
  std::string value;
};
// For each page. `redirect_uri`: where the answer to the page's form may send the browser on to; empty: nowhere but to
// us. Chromium holds form-action against every redirect that follows a form (CSP 3 leaves it open), also against those
// that the client's own answers make. So the scheme of the redirect_uri is allowed as a whole: any of its hosts, but
// nothing that runs here, and no other scheme.
std::vector<PageField> page_fields(std::string_view redirect_uri = {});
std::vector<PageField> style_fields();

}  // namespace keepgate::oauth

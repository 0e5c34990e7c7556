#include "oauth/visit.h"

#include <array>

#include "base/bytes.h"
#include "net/address.h"
#include "oauth/cookies.h"
#include "oauth/endpoints.h"
#include "oauth/grant_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t browser_cookie_max_age_s = std::int64_t{180} * 86'400;
constexpr std::size_t browser_bytes_min = 32;  // Ours are longer: a short one was put there by somebody else.
constexpr std::uint16_t server_trouble = 500;

std::string cookie_of(const Request& request, std::string_view name) {
  const std::array fields = {request.cookie};
  return std::string(find_cookie(fields, name).value_or(std::string_view()));
}

std::string_view origin_of_issuer(const Settings& settings) {
  return std::string_view(settings.issuer).substr(0, settings.issuer.size() - settings.issuer_path.size());
}

}  // namespace

Visit::Visit(Context& its_context)
    : context(its_context),
      browser(cookie_of(its_context.request, browser_cookie)),
      session_cookie(cookie_of(its_context.request, oauth::session_cookie)) {
  if (const auto address = net::Address::ip(context.request.client_address, 0)) network = address->ip_bytes();
  if (browser.size() >= browser_bytes_min) return;
  browser = make_token("");
  // A form of another site comes without our cookies: what the browser has and did not show is not to be replaced.
  if (context.request.method == http::Method::post) return;
  append(set_cookies, "Set-Cookie: ", set_cookie(browser_cookie, browser, browser_cookie_max_age_s), "\r\n");
}

// With Referrer-Policy: no-referrer browsers send "Origin: null" with our own forms (Fetch standard §3.1), so null says
// nothing; Sec-Fetch-Site does.
bool Visit::is_from_elsewhere() const {
  const std::string_view origin = context.request.origin;
  if (!origin.empty() && origin != "null" && origin != origin_of_issuer(context.settings)) return true;
  const http::HeaderLine* const site = context.exchange.head().find("sec-fetch-site");
  return site && site->value != "same-origin" && site->value != "none";  // none: reloaded by hand.
}

void Visit::set_session(std::string_view cookie) {
  session_cookie = cookie;
  append(set_cookies, "Set-Cookie: ", set_cookie(oauth::session_cookie, cookie), "\r\n");
}

void Visit::forget_session() {
  session_cookie.clear();
  append(set_cookies, "Set-Cookie: ", clear_cookie(oauth::session_cookie), "\r\n");
}

Answer page_answer(std::string html, std::string_view redirect_uri, std::uint16_t status) {
  Answer out;
  out.status = status;
  out.content_type = "text/html; charset=utf-8";
  out.body = std::move(html);
  for (const PageField& one : page_fields(redirect_uri)) append(out.fields, one.name, ": ", one.value, "\r\n");
  return out;
}

Answer notice_answer(const Visit& visit, Notice notice, std::uint16_t status, std::string_view reference) {
  return page_answer(notice_page(visit.frame(), notice, reference), {}, status);
}

Answer failure_page(const Visit& visit, const Failure& failure) {
  const bool is_ours = failure.status >= server_trouble;
  const Notice notice = is_ours                                  ? Notice::error_unavailable
                        : failure.error == "invalid_request_uri" ? Notice::error_expired
                        : failure.error == "invalid_client"      ? Notice::error_client
                                                                 : Notice::error_request;
  Answer out = notice_answer(visit, notice, failure.status,
                             failure.description.empty() || is_ours ? failure.error : failure.description);
  out.fields += failure.fields;
  return out;
}

Answer with_cookies(const Visit& visit, Answer answer) {
  answer.fields += visit.set_cookies;
  return answer;
}

net::Task<Answer> serve_style(Context& /*context*/) {
  Answer out;
  out.content_type = "text/css; charset=utf-8";
  out.body = page_style();
  for (const PageField& one : style_fields()) append(out.fields, one.name, ": ", one.value, "\r\n");
  co_return out;
}

}  // namespace keepgate::oauth

// Visit: one request of a person's browser: who the browser is, who has signed in with it, and how it is answered.
//
// Thread rule: its worker's. Lifetime: for the length of one request; borrows the Context.
#pragma once

#include <string>
#include <string_view>

#include "oauth/attempt_limits.h"
#include "oauth/context.h"
#include "oauth/page_frame.h"
#include "oauth/pages.h"

namespace keepgate::oauth {

struct Visit {
  // Reads the cookies. A browser without one of its own gets one with the answer.
  explicit Visit(Context& its_context);

  Context& context;
  std::string browser;         // Value of browser_cookie; never empty.
  std::string session_cookie;  // Value of session_cookie; "": none.
  std::string network;         // Bytes of the client's address.
  std::string set_cookies;     // Whole field lines, for the answer.

  PageFrame frame() const { return {context.settings.issuer_path, context.settings.title}; }
  // What is guessed by a form of this visit; it borrows `account` and the visit.
  Attempt attempt(Guessed what, std::string_view account) const { return {what, account, network, browser}; }
  // The browser says that another site sent this: no form of ours did. One that says nothing is judged by the form's
  // token alone.
  bool is_from_elsewhere() const;

  void set_session(std::string_view cookie);
  void forget_session();
};

// `redirect_uri`: where the page's form may lead on to (page_fields()).
Answer page_answer(std::string html, std::string_view redirect_uri = {}, std::uint16_t status = 200);
Answer notice_answer(const Visit& visit, Notice notice, std::uint16_t status = 400, std::string_view reference = {});
// What the store or a step refused, as a page: 503 with Retry-After where it is the server's trouble.
Answer failure_page(const Visit& visit, const Failure& failure);
// Puts the cookies of the visit into its answer.
Answer with_cookies(const Visit& visit, Answer answer);

}  // namespace keepgate::oauth

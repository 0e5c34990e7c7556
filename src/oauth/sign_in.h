// Signing in: a password, a second factor where the user has one, and the session that comes of them.
//
// What tells nobody who has an account: a name that nobody has takes the way of one that somebody has, with the hash of
// nobody's password, and is refused with the same words. Passwords are worked out by the pool beside the workers
// (auth::NeedKind::password); tries are limited before that (oauth/attempt_limits.h). Thread rule: its worker's.
#pragma once

#include <optional>
#include <string>

#include "oauth/flow.h"
#include "oauth/session_records.h"

namespace keepgate::oauth {

inline constexpr std::int64_t second_factor_lifetime_s = 300;  // From the right password to the right code.

// Whom it is for: shown on the pages.
struct SignInFor {
  std::string client_name;   // "": nobody asks.
  std::string redirect_uri;  // Where the flow may end (page_fields()).
  std::string login_hint;
};

// The first page of it. `flow`: what goes on behind it.
Answer sign_in_answer(const Visit& visit, Flow flow, const SignInFor& wanted, Problem problem = Problem::none);

// What came of a form of the stages sign_in and second_factor.
struct SignInStep {
  std::optional<SessionRecord> session;  // Somebody has signed in; the visit has the cookie.
  Answer answer;                         // Else this is shown.
};
net::Task<SignInStep> take_sign_in(Visit& visit, Flow flow, SignInFor wanted);

}  // namespace keepgate::oauth

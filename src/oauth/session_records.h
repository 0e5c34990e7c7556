// Sessions in the store: who has signed in with which browser, until when.
//
// A browser holds 256 random bits in session_cookie, the store their SHA-256. Every sign-in begins a new one and ends
// the one that the browser had: the cookie that was there before is worth nothing afterwards (session fixation). Where
// it was the same user's its public id goes on. Thread rule: functions over a Database, for jobs on the store's thread.
// Bounds: Settings::session_lifetime_s from the sign-in, session_idle_s from the last use.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "oauth/settings.h"
#include "store/database.h"

namespace keepgate::oauth {

struct SessionRecord {
  std::string id;  // `sid`: public, as it stands in ID tokens.
  std::string user;
  std::vector<std::string> methods;
  std::int64_t authenticated_s = 0;
};

std::string make_session_cookie();

// Nothing: there is none, or its time is over. Notes that it was used.
Result<std::optional<SessionRecord>> find_session(store::Database& database, std::string_view cookie,
                                                  const Settings& settings, Now now);
struct NewSession {
  std::string cookie, old_cookie;  // old_cookie: of the session that ends with it; "": there was none.
  std::string user;
  std::vector<std::string> methods;
};
Result<SessionRecord> begin_session(store::Database& database, const NewSession& session, const Settings& settings,
                                    Now now);
// Does it still go on? For jobs that give something because of it: a sign-out may have been committed since it was
// found.
Result<bool> is_signed_in(store::Database& database, std::string_view session_id, std::string_view user, Now now);
Result<void> end_session(store::Database& database, std::string_view cookie);

}  // namespace keepgate::oauth

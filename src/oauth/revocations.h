// What the authorization server takes back: rows of its store, and the list that gateways and guards follow.
//
// Thread rule: functions over a Database, on the store's thread. Every revoke_… counts the version up in the same
// transaction, so that nobody is told of a revocation that the list does not have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "store/database.h"

namespace keepgate::oauth {

struct RevocationFeed;

// When whatever is issued now has expired, by the longest lifetime that any configuration may give a token: what was
// issued under another one than today's stays revoked, too.
inline constexpr std::int64_t token_lifetime_s_max = 86'400;
std::int64_t revoked_until_s(std::int64_t now_s);
// The same of a token that ends at `expires_s`: gateways whose clocks may differ (auth_jwt_leeway, at most as much)
// take it for longer.
std::int64_t revoked_until_after_s(std::int64_t expires_s);

// `kind`: as in the file of revocations ("jti", "grant", "client", "sub", "kid"). `before_s`: only what was issued
// earlier; 0: whatever. `until_s`: nothing that it takes back lives longer. An entry that is there grows wider, never
// narrower.
// `owner`: the subject whose token it is, where anybody may ask for it; "": an operator's, without a share.
// store_unavailable when the list is as long as it may be, and when it may be half as long and `owner` has its share of
// it: what is not on it is not taken back, and nobody is told so.
inline constexpr std::int64_t revocations_max = 500'000;
inline constexpr std::int64_t revocations_of_owner_max = 50'000;
Result<void> add_revocation(store::Database& database, std::string_view kind, std::string_view value,
                            std::int64_t before_s, std::int64_t until_s, std::string_view owner = {});
// An access token that is of no grant, or of which only the id is known: what was exchanged from one has its id as
// grant_id, through all hands, and so have the transaction tokens.
Result<void> revoke_lone_token(store::Database& database, std::string_view id, std::int64_t until_s,
                               std::string_view owner = {});
// A grant: its refresh tokens and codes end, and its access tokens are taken back.
enum class Share : std::uint8_t { of_subject = 0, unbounded };  // unbounded: for operators.
Result<void> revoke_grant(store::Database& database, std::string_view grant, std::int64_t until_s, Now now,
                          Share share = Share::of_subject);
// Every grant of a session, or of a subject ("user:alice").
Result<void> revoke_session_grants(store::Database& database, std::string_view session, std::int64_t until_s, Now now);
Result<void> revoke_subject(store::Database& database, std::string_view subject, std::int64_t until_s, Now now);

// What is in the store: `before` and what came behind it, or all of it (nullptr; another epoch; too much that has
// ended).
Result<std::shared_ptr<const RevocationFeed>> load_feed(store::Database& database, const RevocationFeed* before,
                                                        Now now);

}  // namespace keepgate::oauth

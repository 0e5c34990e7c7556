// Grants in the store: what one consent gave, its code, and the family of its refresh tokens.
//
// Thread rule: functions over a Database, for jobs on the store's thread. Each outcome is decided by one statement that
// only one of several at once can win; what lost tells so, and is never an error of the store. Codes and tokens are
// looked for by their SHA-256.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "store/database.h"

namespace keepgate::oauth {

struct GrantRecord {
  std::string id, client, subject, audience;
  std::vector<std::string> scopes;
  std::vector<std::string> methods;  // `amr` (RFC 8176): how the user signed in.
  std::int64_t authenticated_s = 0;  // `auth_time`; 0: no user did.
  std::string bound_key;             // Thumbprint that a public client's refresh tokens are bound to (RFC 9449 §5).
  std::string session;               // `sid`; "": none.
  std::int64_t created_s = 0, expires_s = 0;
  bool is_revoked = false;
};

std::string hash_of_token(std::string_view token);  // SHA-256 in base64url.
// `kind`: "kgc_" for codes, "kgr_" for refresh tokens, …; 256 random bits.
std::string make_token(std::string_view kind);
inline constexpr std::string_view code_prefix = "kgc_", refresh_prefix = "kgr_", device_prefix = "kgd_";

std::string joined(const std::vector<std::string>& words);  // By spaces.
std::vector<std::string> split_words(std::string_view text);

Result<void> add_grant(store::Database& database, const GrantRecord& grant);
Result<std::optional<GrantRecord>> find_grant(store::Database& database, std::string_view id);
// RFC 9449 §5: the refresh tokens of a public client are bound to the key that was proven when they were first given.
Result<void> bind_grant(store::Database& database, GrantRecord& grant, std::string_view key);

struct CodeRecord {
  std::string hash, grant, redirect_uri, challenge, nonce, bound_key;
  std::int64_t expires_s = 0;
};
Result<void> add_code(store::Database& database, const CodeRecord& code);

enum class Redeemed : std::uint8_t {
  unknown = 0,  // No such code or token, or it has expired.
  not_yours,    // Another client's: nothing was changed.
  elsewhere,    // Another audience was asked for than was consented to: it is as it was.
  misfits,      // Redirect URI, verifier or key are others: the code is used up, and gives nothing.
  replayed,     // It was used before: its grant is revoked now.
  revoked,
  good,
};
struct CodeUse {
  std::string code, client, redirect_uri, challenge, bound_key;  // challenge: of the verifier that was sent.
  std::int64_t grant_expires_s = 0;                              // Of the grant from then on.
  bool binds_grant = false;  // A public client's: the key of its proof becomes that of the grant (RFC 9449 §5).
  std::string audience;      // The one that was asked for; "": none.
};
struct RedeemedCode {
  Redeemed what = Redeemed::unknown;
  GrantRecord grant;
  std::string nonce;
};
// RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §4.5. `tokens_until_s`: when all that the grant gave has expired.
Result<RedeemedCode> redeem_code(store::Database& database, const CodeUse& use, std::int64_t tokens_until_s, Now now);

Result<void> add_refresh_token(store::Database& database, std::string_view token, const GrantRecord& grant,
                               std::int64_t lifetime_s, Now now);
struct RefreshUse {
  std::string token, client, successor;  // The token that takes its place.
  std::string family;                    // As the token itself proves it (oauth/refresh_token.h); "": it does not.
  std::string bound_key;                 // Of the proof that was shown; "": none.
  std::int64_t lifetime_s = 0, grace_s = 0, tokens_until_s = 0;
};
struct Refreshed {
  Redeemed what = Redeemed::unknown;
  GrantRecord grant;
};
// RFC 9700 §4.14.2: each token once; a second use ends the family, but within `grace_s` it gives the same successor
// again, as long as nobody has used that. Used tokens that prove their family are not kept beyond the grace: one that
// is not there was used. Bounds: rows of such a family are those of the grace, and one.
Result<Refreshed> rotate_refresh_token(store::Database& database, const RefreshUse& use, Now now);
// The grant of a token, used or not; `family`: as it proves itself, or "". Nothing: it is unknown.
Result<std::optional<GrantRecord>> find_family(store::Database& database, std::string_view token,
                                               std::string_view family);
// Whose it is, for introspection; nothing: unknown, used, expired or revoked.
struct RefreshFacts {
  GrantRecord grant;
  std::int64_t created_s = 0, expires_s = 0;
};
Result<std::optional<RefreshFacts>> find_refresh_token(store::Database& database, std::string_view token, Now now);

// An id that may pass once (jti of an assertion). false: it was there.
Result<bool> use_once(store::Database& database, std::string_view id, std::int64_t expires_s);

}  // namespace keepgate::oauth

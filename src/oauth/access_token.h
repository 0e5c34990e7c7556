// Access tokens and ID tokens: what goes into them (RFC 9068 §2, OpenID Connect Core §2), and how they are read back.
//
// Thread rule: pure functions. Nothing is stored when a token is issued: its signature proves all it says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "crypto/json.h"
#include "oauth/key_ring.h"
#include "oauth/settings.h"

namespace keepgate::oauth {

struct State;

struct TokenFacts {
  std::string subject;  // "user:NAME" or "client:NAME".
  std::string client, audience;
  std::vector<std::string> scopes, roles;
  std::vector<std::pair<std::string, std::string>> claims;  // Of the user; never reserved ones.
  std::string actor;                                        // The value of `act` as JSON; "": none (RFC 8693 §4.1).
  std::string grant;                                        // grant_id; "": of none.
  std::string bound_key, bound_certificate;                 // cnf: RFC 9449 §6.1, RFC 8705 §3.1.
  std::vector<std::string> methods;                         // amr
  std::int64_t authenticated_s = 0;                         // auth_time
  std::int64_t issued_s = 0, expires_s = 0;
};

struct IssuedToken {
  std::string token, id;
};

// typ at+jwt. Error: there is no key.
Result<IssuedToken> mint_access_token(const TokenFacts& facts, const Settings& settings, const KeyRing& keys, Now now);

struct IdTokenFacts {
  std::string subject, client, nonce, session, access_token;
  std::vector<std::string> methods;
  std::int64_t authenticated_s = 0, issued_s = 0;
};
Result<std::string> mint_id_token(const IdTokenFacts& facts, const Settings& settings, const KeyRing& keys, Now now);

// A token of ours that holds: signature, typ, iss, exp. Whether it was taken back is the caller's question. Error says
// why not, for logs.
struct OwnToken {
  crypto::Json payload;
  std::string key_id;

  std::string text(std::string_view claim) const { return std::string(payload.string_at(claim).value_or("")); }
  std::int64_t number(std::string_view claim) const;
};
Result<OwnToken> read_access_token(std::string_view token, const Settings& settings, const KeyRing& keys, Now now);
// id_token_hint: it may have expired (OpenID Connect RP-Initiated Logout §4); a key that was taken back proves nothing.
Result<OwnToken> read_id_token_hint(std::string_view token, const Settings& settings, const State& state, Now now);
// Is it on the list of what was taken back?
bool is_revoked(const OwnToken& token, const State& state, Now now);

}  // namespace keepgate::oauth

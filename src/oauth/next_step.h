// What an authorization request needs next: somebody to sign in, a consent, its code, or a refusal (OpenID Connect Core
// §3.1.2.3, §3.1.2.4). Thread rule: a pure function. Safe zero: refuse_login.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "oauth/authorization_request.h"
#include "oauth/session_records.h"

namespace keepgate::oauth {

enum class NextStep : std::uint8_t {
  refuse_login = 0,  // login_required
  refuse_consent,    // consent_required
  sign_in,
  consent,
  issue,
};

struct StepFacts {
  Prompt prompt;
  std::optional<std::int64_t> max_age_s;
  std::optional<SessionRecord> session;
  bool is_fresh = false;        // The session was begun in this flow, or shown in it already.
  std::string required_user;    // Of an id_token_hint; "": anybody.
  bool hint_is_broken = false;  // There was an id_token_hint, and it is none of ours.
  bool is_consented = false;    // All that is asked for was consented to, and that counts for this client.
  std::int64_t now_s = 0;
};
NextStep next_step(const StepFacts& facts);

// May what was consented to once, or is the operator's own, go on without a page? RFC 8252 §8.6: not where anybody
// could pose as the client: a public one whose redirect URI no https vouches for.
bool is_assured(const Client& client, std::string_view redirect_uri);

}  // namespace keepgate::oauth

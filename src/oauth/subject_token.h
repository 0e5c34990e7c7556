// The token somebody brings to have it exchanged: who it is about, and what it allows (RFC 8693 §2.1).
//
// Thread rule: pure functions over the context.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crypto/json.h"
#include "oauth/context.h"
#include "oauth/grant.h"

namespace keepgate::oauth {

inline constexpr std::string_view token_type_prefix = "urn:ietf:params:oauth:token-type:";
// "access_token" of the URN; "" for anything that is none.
std::string_view token_type_named(std::string_view urn);

struct SubjectToken {
  std::string subject;  // "user:NAME", "client:NAME", or with the kind of a trusted issuer.
  std::string client;   // Whom it was issued to; "": not said.
  std::string grant;    // grant_id; "": of none.
  std::vector<std::string> audiences, scopes, roles, methods;
  std::int64_t expires_s = 0, authenticated_s = 0;
  crypto::Json actor;       // `act`; null: none.
  crypto::Json may_act;     // null: none.
  bool is_foreign = false;  // Of a trusted issuer.
};

// A token of ours, or of a trusted issuer. Failures are invalid_request, as RFC 8693 §2.2.2 wants.
Checked<SubjectToken> read_subject_token(const Context& context, std::string_view token, std::string_view type);
// What a trusted issuer says of somebody, with the rules for assertions on top (RFC 7523 §3): for us alone,
// short-lived, with an id. `id`: unique with its issuer, to be used once.
struct IssuerAssertion {
  std::string subject, id;
  std::int64_t expires_s = 0;
};
Checked<IssuerAssertion> read_issuer_assertion(const Context& context, std::string_view token);

// May this client exchange this token: its audience, its subject, its actors and `may_act`? RFC 8693 §2.2.2: what is
// wrong with a token, also by policy, is invalid_request.
Checked<void> check_exchange_subject(const Context& context, const Client& client, const SubjectToken& subject);

// Somebody whom a trusted issuer names as one of our users has to be one, and not disabled. Other kinds of subjects are
// that issuer's.
net::Task<Checked<void>> check_local_user(Context& context, std::string subject);

// "user:*" or an exact subject.
bool matches_pattern(const std::vector<std::string>& patterns, std::string_view subject);

// The chain of actors in `act`, outermost first.
inline constexpr std::size_t actors_max = 4;
std::vector<std::string> actors_of(const crypto::Json& actor);

}  // namespace keepgate::oauth

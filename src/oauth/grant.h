// What the grants of the token endpoint have in common: what was asked for, and the answer.
//
// Each grant is a file of its name with the MUSTs of its RFC at its head. Thread rule: its worker's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oauth/access_token.h"
#include "oauth/client_authentication.h"
#include "oauth/grant_records.h"
#include "oauth/user.h"

namespace keepgate::oauth {

// Who asks at the token endpoint, and the key that was proven with the request.
struct TokenRequest {
  AuthenticatedClient who;
  std::string bound_key;  // Thumbprint of the DPoP key; "": no proof was sent.

  const Client& client() const { return *who.client; }
};

using GrantHandler = net::Task<Checked<Answer>> (*)(Context& context, const TokenRequest& request);

net::Task<Checked<Answer>> grant_client_credentials(Context& context, const TokenRequest& request);
net::Task<Checked<Answer>> grant_authorization_code(Context& context, const TokenRequest& request);
net::Task<Checked<Answer>> grant_refresh_token(Context& context, const TokenRequest& request);
net::Task<Checked<Answer>> grant_token_exchange(Context& context, const TokenRequest& request);
net::Task<Checked<Answer>> grant_device_code(Context& context, const TokenRequest& request);
net::Task<Checked<Answer>> grant_jwt_bearer(Context& context, const TokenRequest& request);

// Scopes of OpenID Connect: they are for users, and belong to no resource.
bool is_openid_scope(std::string_view scope);

// RFC 6749 §3.3: each word a scope, none outside `allowed`, each once; without the parameter all of `allowed`.
Checked<std::vector<std::string>> requested_scopes(const Params& params, const std::vector<std::string>& allowed);
// RFC 8707 §2, RFC 8693 §2.1: `resource` or `audience`, and one of `allowed`; without either the lone one there is.
// With none registered: the server itself, for /userinfo.
Checked<std::string> requested_audience(const Params& params, const std::vector<std::string>& allowed,
                                        const Settings& settings);
// What was asked for; "": nothing. invalid_target where it was several.
Checked<std::string> asked_audience(const Params& params);
// The resource's own list of scopes: what it does not know is not asked for there.
Checked<std::vector<std::string>> scopes_at(const std::string& audience, std::vector<std::string> scopes,
                                            const Params& params, const Settings& settings);

// Has the server such a resource at all? Without a list of resources every audience of a client is one.
bool is_known_audience(const Settings& settings, std::string_view audience);

std::int64_t access_token_lifetime_s(const Client& client, const Settings& settings);

// The facts of a token for `request`, bound to what it proved; times from now on.
TokenFacts facts_for(const Context& context, const TokenRequest& request);
// Refuses where the client's tokens have to be bound and nothing was proven.
Checked<void> check_binding(const TokenRequest& request);

struct TokenAnswer {
  TokenFacts facts;
  std::string refresh_token;
  std::optional<IdTokenFacts> id;  // Nothing: no ID token.
  std::string issued_token_type;   // RFC 8693 §2.2.1; "": not said.
};
// Mints the access token, then the ID token that has its hash, and writes the answer (RFC 6749 §5.1).
Checked<Answer> token_answer(const Context& context, TokenAnswer out);

// A grant is older than today's configuration: what of these scopes the client may still have at the grant's audience,
// and the audience has. Refuses where that is nothing, or the client may have no token for the audience any more.
Checked<std::vector<std::string>> scopes_left(const Client& client, const Settings& settings,
                                              const std::string& audience, std::vector<std::string> scopes);

// Tokens for what a user has consented to: access token, ID token if `openid` is among the scopes.
struct UserTokens {
  GrantRecord grant;
  User user;
  std::vector<std::string> scopes;  // Of the access token: at most the grant's.
  std::string refresh_token, nonce;
};
Checked<Answer> answer_for_user(const Context& context, const TokenRequest& request, const UserTokens& tokens);

// "alice" of "user:alice"; "" of any other subject.
std::string_view user_of(std::string_view subject);

}  // namespace keepgate::oauth

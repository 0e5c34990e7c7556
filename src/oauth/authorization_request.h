// The authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707, RFC 9126, OpenID Connect Core §3.1.2.1): checked
// whole before anybody is shown a page.
//
// Two kinds of failures: until client and redirect URI are known to belong together, nothing is sent anywhere and a
// page says so (RFC 6749 §4.1.2.1, RFC 9700 §4.11); from then on the client is told at its redirect URI. Thread rule:
// pure functions over the context, but for load_pushed_request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oauth/context.h"

namespace keepgate::oauth {

struct Prompt {
  bool none = false, login = false, consent = false, select_account = false;
};

struct AuthorizationRequest {
  std::shared_ptr<const Client> client;
  std::string redirect_uri, state, nonce, challenge, audience, login_hint;
  std::string bound_key;  // dpop_jkt (RFC 9449 §10); "": none.
  std::string pushed;     // Hash of the request_uri that it came by; "": by none. To be used up with the code.
  std::vector<std::string> scopes;
  Prompt prompt;
  std::optional<std::int64_t> max_age_s;
  Params parameters;  // As checked: what a form carries on.
};

struct AuthorizationFault {
  Failure failure;
  // Where the client is told; "": nowhere, show a page.
  std::string redirect_uri, state;
};

using CheckedRequest = std::expected<AuthorizationRequest, AuthorizationFault>;

// `pushed`: the hash of the request_uri that the parameters came by; "": straight from the browser.
CheckedRequest check_authorization_request(const Context& context, const Params& parameters, std::string pushed);

// The parameters that were pushed as `request_uri` by `client`, still good and not used up. Failures are for a page.
inline constexpr std::string_view request_uri_prefix = "urn:ietf:params:oauth:request_uri:";
struct PushedRequest {
  Params parameters;
  std::string hash;
};
net::Task<Checked<PushedRequest>> load_pushed_request(Context& context, std::string client, std::string request_uri);

// The answer of the authorization endpoint to the client, by way of the browser: 303 (RFC 9700 §4.12), in the query,
// always with `iss` (RFC 9207) and the state.
Answer authorization_response(const Settings& settings, const std::string& redirect_uri, std::string_view state,
                              Params parameters);
Answer authorization_refusal(const Settings& settings, const AuthorizationFault& fault);

// Who has signed in, in the session at hand.
struct SignedIn {
  std::string user, session;  // session: its id, `sid`; not the cookie.
  std::vector<std::string> methods;
  std::int64_t authenticated_s = 0;
};
// Makes the grant and its code in one transaction, with the consent if there is news of it, and answers. Access denied,
// if the pushed request was used up meanwhile.
enum class RememberConsent : std::uint8_t { no = 0, yes };
net::Task<Checked<Answer>> issue_code(Context& context, const AuthorizationRequest& request, const SignedIn& who,
                                      RememberConsent remember);

}  // namespace keepgate::oauth

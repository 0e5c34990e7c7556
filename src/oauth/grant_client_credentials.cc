// RFC 6749 §4.4: a client for itself. Only confidential clients (§4.4, "MUST only be used by confidential clients"); no
// refresh token (§4.4.3). `sub` is "client:ID" (RFC 9068 §2.2, and no user can have that name).
#include "oauth/grant.h"

namespace keepgate::oauth {

net::Task<Checked<Answer>> grant_client_credentials(Context& context, const TokenRequest& request) {
  const Client& client = request.client();
  if (request.who.proof == ClientProofKind::none)
    co_return refuse("unauthorized_client", "a public client proves nothing");
  auto scopes = requested_scopes(context.request.form, client.scopes);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));
  const auto of_users = std::erase_if(*scopes, [](const std::string& one) { return is_openid_scope(one); });
  if (of_users > 0 && context.request.form.has("scope")) {
    co_return refuse("invalid_scope", "scopes of OpenID Connect are for users");
  }
  auto audience = requested_audience(context.request.form, client.audiences, context.settings);
  if (!audience) co_return std::unexpected(std::move(audience.error()));
  scopes = scopes_at(*audience, std::move(*scopes), context.request.form, context.settings);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));
  TokenAnswer out;
  out.facts = facts_for(context, request);
  out.facts.subject = client.subject();
  out.facts.audience = std::move(*audience);
  out.facts.scopes = std::move(*scopes);
  co_return token_answer(context, std::move(out));
}

}  // namespace keepgate::oauth

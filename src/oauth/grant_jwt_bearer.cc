// RFC 7523 §2.1: what a trusted issuer says of somebody, for a token. The assertion is for us alone, lives minutes and
// passes once; whom a client may bring is on its list, as with an exchange.
#include "base/bytes.h"
#include "oauth/grant.h"
#include "oauth/subject_token.h"

namespace keepgate::oauth {

net::Task<Checked<Answer>> grant_jwt_bearer(Context& context, const TokenRequest& request) {
  const Params& form = context.request.form;
  const Client& client = request.client();
  if (request.who.proof == ClientProofKind::none)
    co_return refuse("unauthorized_client", "a public client proves nothing");
  if (!form.has("assertion")) co_return refuse("invalid_request", "assertion is missing");
  auto assertion = read_issuer_assertion(context, form.get("assertion"));
  if (!assertion) co_return std::unexpected(std::move(assertion.error()));
  if (!matches_pattern(client.exchange.subjects, assertion->subject)) {
    context.exchange.refusal.reason = "the assertion's subject is not on the client's list";
    co_return refuse("invalid_grant", "the assertion does not hold");
  }
  const auto known = co_await check_local_user(context, assertion->subject);
  if (!known && known.error().status >= 500) co_return std::unexpected(known.error());
  if (!known) co_return refuse("invalid_grant", "the assertion does not hold");
  std::vector<std::string> allowed = client.scopes;
  std::erase_if(allowed, [](const std::string& one) { return is_openid_scope(one); });
  auto scopes = requested_scopes(form, allowed);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));
  auto audience = requested_audience(form, client.audiences, context.settings);
  if (!audience) co_return std::unexpected(std::move(audience.error()));
  scopes = scopes_at(*audience, std::move(*scopes), form, context.settings);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));

  const std::string use = cat("assertion ", hash_of_token(cat("issuer ", assertion->id)));
  const std::function<Result<bool>(store::Database&)> job =
      [use, expires_s = assertion->expires_s](store::Database& database) { return use_once(database, use, expires_s); };
  const auto is_first = co_await context.record<bool>(job);
  if (!is_first) co_return store_failure(context, is_first.error());
  if (!*is_first) {
    context.exchange.refusal.reason = "the assertion was used before";
    co_return refuse("invalid_grant", "the assertion does not hold");
  }
  TokenAnswer out;
  out.facts = facts_for(context, request);
  out.facts.subject = assertion->subject;
  out.facts.audience = std::move(*audience);
  out.facts.scopes = std::move(*scopes);
  co_return token_answer(context, std::move(out));
}

}  // namespace keepgate::oauth

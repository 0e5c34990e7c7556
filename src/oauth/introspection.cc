// The introspection endpoint (RFC 7662). Only confidential clients; each is told about its own tokens and about those
// of audiences that the operator named for it. Whatever else there may be to know about a token, it is not active.
#include <algorithm>

#include "base/bytes.h"
#include "crypto/json.h"
#include "oauth/access_token.h"
#include "oauth/client_authentication.h"
#include "oauth/endpoints.h"
#include "oauth/grant_records.h"
#include "oauth/verified_tokens.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;

bool may_be_told(const Client& client, std::string_view token_client, std::string_view audience) {
  if (token_client == client.id || audience == client.id) return true;
  return std::ranges::any_of(client.introspects, [&](const std::string& one) { return one == "*" || one == audience; });
}

Answer inactive() { return json_answer(R"({"active":false})"); }

Answer active_access_token(const VerifiedToken& verified) { return json_answer(verified.introspection); }

Answer active_refresh_token(const RefreshFacts& token, const Settings& settings) {
  Json::Object out;
  out.emplace_back("active", Json(true));
  out.emplace_back("token_type", Json("refresh_token"));
  out.emplace_back("iss", Json(settings.issuer));
  out.emplace_back("sub", Json(token.grant.subject));
  out.emplace_back("client_id", Json(token.grant.client));
  out.emplace_back("scope", Json(joined(token.grant.scopes)));
  out.emplace_back("iat", Json(token.created_s));
  out.emplace_back("exp", Json(token.expires_s));
  return json_answer(Json(std::move(out)).write());
}

net::Task<Checked<Answer>> answer_introspection(Context& context) {
  auto who = co_await authenticate_client(context, PublicClients::refused);
  if (!who) co_return std::unexpected(std::move(who.error()));
  const Client& client = *who->client;
  const auto text = context.request.form.find("token");
  if (!text) co_return refuse("invalid_request", "token is missing");
  if (!text->starts_with(refresh_prefix)) {
    const auto found =
        context.service.verified_tokens().read(*text, context.settings, context.state.keys, context.now());
    if (!found) co_return inactive();
    const OwnToken& token = (*found)->token;
    const auto of_client = token.payload.string_at("client_id"), audience = token.payload.string_at("aud");
    const bool is_active = !is_revoked(token, context.state, context.now()) &&
                           may_be_told(client, of_client.value_or(""), audience.value_or(""));
    co_return is_active ? active_access_token(**found) : inactive();
  }
  const std::function<Result<std::optional<RefreshFacts>>(store::Database&)> job =
      [token = std::string(*text), now = context.now()](store::Database& database) {
        return find_refresh_token(database, token, now);
      };
  const auto found = co_await context.record<std::optional<RefreshFacts>>(job);
  if (!found) co_return store_failure(context, found.error());
  const bool is_own = *found && (*found)->grant.client == client.id;
  co_return is_own ? active_refresh_token(**found, context.settings) : inactive();
}

}  // namespace

net::Task<Answer> serve_introspection(Context& context) {
  auto answer = co_await answer_introspection(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth

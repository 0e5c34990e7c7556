// RFC 6749 §6, RFC 9700 §4.14.2: a refresh token once, for a new one. The scope of the access token may be narrower and
// is never wider; the refresh token keeps what was consented to. A token that comes a second time ends its family.
#include <algorithm>

#include "base/bytes.h"
#include "oauth/grant.h"
#include "oauth/refresh_token.h"
#include "oauth/revocations.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

struct RefreshOutcome {
  Refreshed refreshed;
  std::optional<User> user;
};

}  // namespace

net::Task<Checked<Answer>> grant_refresh_token(Context& context, const TokenRequest& request) {
  const Params& form = context.request.form;
  if (!form.has("refresh_token")) co_return refuse("invalid_request", "refresh_token is missing");
  const Now now = context.now();
  RefreshUse use;
  use.token = form.get("refresh_token");
  use.client = request.client().id;
  use.successor = successor_of_token(context.service, use.token);
  use.family = family_of_token(context.service, use.token);
  use.bound_key = request.bound_key;
  use.lifetime_s = context.settings.refresh_token_lifetime_s;
  use.grace_s = context.settings.refresh_token_grace_s;
  use.tokens_until_s = revoked_until_s(now.wall_s());

  // What is asked for is judged before the token is used up: nobody loses a family over a mistake.
  const std::function<Result<std::optional<RefreshFacts>>(store::Database&)> look =
      [token = use.token, now](store::Database& database) { return find_refresh_token(database, token, now); };
  const auto before = co_await context.record<std::optional<RefreshFacts>>(look);
  if (!before) co_return store_failure(context, before.error());
  std::vector<std::string> scopes;
  if (*before && (*before)->grant.client == use.client) {
    auto asked = requested_scopes(form, (*before)->grant.scopes);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    scopes = std::move(*asked);
    const auto audience = requested_audience(form, {(*before)->grant.audience}, context.settings);
    if (!audience) co_return std::unexpected(audience.error());
    const auto left = scopes_left(request.client(), context.settings, (*before)->grant.audience, scopes);
    if (!left) co_return std::unexpected(left.error());
  }

  const std::function<Result<RefreshOutcome>(store::Database&)> job =
      [use, now, settings = context.shared_settings,
       service = &context.service](store::Database& database) -> Result<RefreshOutcome> {
    RefreshOutcome out;
    auto refreshed = rotate_refresh_token(database, use, now);
    if (!refreshed) return std::unexpected(refreshed.error());
    out.refreshed = std::move(*refreshed);
    if (out.refreshed.what != Redeemed::good) return out;
    auto user = find_user(database, *settings, service->wrapping_key(), user_of(out.refreshed.grant.subject));
    if (!user) return std::unexpected(user.error());
    out.user = std::move(*user);
    return out;
  };
  auto outcome = co_await context.record<RefreshOutcome>(job);
  if (!outcome) co_return store_failure(context, outcome.error());
  if (outcome->refreshed.what == Redeemed::replayed) {
    context.exchange.refusal.reason = "a refresh token was used twice: its family is revoked";
  }
  if (outcome->refreshed.what != Redeemed::good || !outcome->user || outcome->user->disabled) {
    co_return refuse("invalid_grant", "the refresh token is unknown, used, expired, revoked or another client's");
  }
  UserTokens tokens;
  tokens.grant = std::move(outcome->refreshed.grant);
  // Within the grace the token was used when we looked, and nothing was judged: then it is judged now.
  if (scopes.empty() && form.has("scope")) {
    auto asked = requested_scopes(form, tokens.grant.scopes);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    scopes = std::move(*asked);
  }
  tokens.scopes = scopes.empty() ? tokens.grant.scopes : std::move(scopes);
  tokens.user = std::move(*outcome->user);
  tokens.refresh_token = use.successor;
  co_return answer_for_user(context, request, tokens);
}

}  // namespace keepgate::oauth

// RFC 8628 §3.4, §3.5: a device polls until its user has decided; what it gets then it gets once.
#include "oauth/device_records.h"
#include "oauth/grant.h"
#include "oauth/refresh_token.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

struct DeviceOutcome {
  PolledDevice polled;
  std::optional<User> user;
  std::string refresh_token;  // "": none.
};

std::unexpected<Failure> device_refusal(Polled what) {
  switch (what) {
    case Polled::pending:
      return refuse("authorization_pending", "the user has not decided yet");
    case Polled::slow_down:
      return refuse("slow_down", "wait five seconds longer between polls");
    case Polled::denied:
      return refuse("access_denied", "the user has refused");
    case Polled::expired:
      return refuse("expired_token", "the device code has expired");
    default:
      return refuse("invalid_grant", "the device code is unknown, used or another client's");
  }
}

}  // namespace

net::Task<Checked<Answer>> grant_device_code(Context& context, const TokenRequest& request) {
  const Params& form = context.request.form;
  if (!form.has("device_code")) co_return refuse("invalid_request", "device_code is missing");
  const Now now = context.now();
  const bool refreshes = request.client().may(Grant::refresh_token);
  const std::string secret = refreshes ? make_token("") : std::string();  // Of the refresh token.
  const std::function<Result<DeviceOutcome>(store::Database&)> job =
      [code = std::string(form.get("device_code")), id = request.client().id, now, secret,
       key = request.client().is_public ? request.bound_key : std::string(), settings = context.shared_settings,
       service = &context.service](store::Database& database) -> Result<DeviceOutcome> {
    DeviceOutcome out;
    auto polled = poll_device(database, code, id, now);
    if (!polled) return std::unexpected(polled.error());
    out.polled = std::move(*polled);
    if (out.polled.what != Polled::good) return out;
    auto user = find_user(database, *settings, service->wrapping_key(), user_of(out.polled.grant.subject));
    if (!user) return std::unexpected(user.error());
    out.user = std::move(*user);
    if (!out.user || out.user->disabled || secret.empty()) return out;
    const auto bound = bind_grant(database, out.polled.grant, key);
    if (!bound) return std::unexpected(bound.error());
    out.refresh_token = make_refresh_token(*service, out.polled.grant.id, secret);
    const auto added =
        add_refresh_token(database, out.refresh_token, out.polled.grant, settings->refresh_token_lifetime_s, now);
    if (!added) return std::unexpected(added.error());
    return out;
  };
  auto outcome = co_await context.record<DeviceOutcome>(job);
  if (!outcome) co_return store_failure(context, outcome.error());
  if (outcome->polled.what != Polled::good) co_return device_refusal(outcome->polled.what);
  if (!outcome->user || outcome->user->disabled) co_return refuse("access_denied", "the user is gone");
  UserTokens tokens;
  tokens.scopes = outcome->polled.grant.scopes;
  tokens.grant = std::move(outcome->polled.grant);
  tokens.user = std::move(*outcome->user);
  tokens.refresh_token = std::move(outcome->refresh_token);
  co_return answer_for_user(context, request, tokens);
}

}  // namespace keepgate::oauth

// The device authorization endpoint (RFC 8628 §3.1, §3.2).
#include "base/bytes.h"
#include "oauth/device_records.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"
#include "oauth/public_entries.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t poll_interval_s = 5;
constexpr int user_codes_tried_max = 3;

net::Task<Checked<Answer>> answer_device_authorization(Context& context) {
  auto who = co_await authenticate_client(context, PublicClients::accepted);
  if (!who) co_return std::unexpected(std::move(who.error()));
  if (const auto good = check_entry(context, *who); !good) co_return std::unexpected(good.error());
  const Client& client = *who->client;
  if (!client.may(Grant::device_code)) {
    co_return refuse("unauthorized_client", "this client may not use the grant device_code");
  }
  const Params& form = context.request.form;
  auto scopes = requested_scopes(form, client.scopes);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));
  auto audience = requested_audience(form, client.audiences, context.settings);
  if (!audience) co_return std::unexpected(std::move(audience.error()));
  scopes = scopes_at(*audience, std::move(*scopes), form, context.settings);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));

  const std::string code = make_token(device_prefix);
  DeviceRecord device;
  device.hash = hash_of_token(code);
  device.client = client.id;
  device.scopes = std::move(*scopes);
  device.audience = std::move(*audience);
  device.interval_s = poll_interval_s;
  device.expires_s = context.now().wall_s() + context.settings.device_code_lifetime_s;
  for (int tries = 0; tries < user_codes_tried_max; ++tries) {
    device.user_code = make_user_code();
    const std::function<Result<bool>(store::Database&)> job = [device](store::Database& database) -> Result<bool> {
      const auto added = add_device(database, device);
      if (!added) return std::unexpected(added.error());
      return true;
    };
    const auto done = co_await context.record<bool>(job);
    if (!done && done.error().code == "store_conflict") continue;  // Somebody has this user code.
    if (!done) co_return store_failure(context, done.error());
    const std::string page = context.settings.url("/device");
    co_return json_answer(cat(R"({"device_code":")", code, R"(","user_code":")", device.user_code,
                              R"(","verification_uri":")", page, R"(","verification_uri_complete":")", page,
                              "?user_code=", device.user_code, R"(","expires_in":)",
                              context.settings.device_code_lifetime_s, R"(,"interval":)", poll_interval_s, '}'));
  }
  co_return unavailable();
}

}  // namespace

net::Task<Answer> serve_device_authorization(Context& context) {
  auto answer = co_await answer_device_authorization(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth

// The token endpoint (RFC 6749 §3.2): who asks, with which key, by which grant.
#include <array>

#include "base/bytes.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"
#include "oauth/proof_of_possession.h"

namespace keepgate::oauth {

namespace {

constexpr std::array<GrantHandler, grant_count> handlers{
    grant_client_credentials, grant_authorization_code, grant_refresh_token,
    grant_token_exchange,     grant_device_code,        grant_jwt_bearer,
};

net::Task<Checked<Answer>> answer_token_request(Context& context) {
  auto who = co_await authenticate_client(context, PublicClients::accepted);
  if (!who) co_return std::unexpected(std::move(who.error()));
  const auto grant_type = context.request.form.find("grant_type");
  if (!grant_type) co_return refuse("invalid_request", "grant_type is missing");
  const GrantRow* const row = grant_named(*grant_type);
  if (!row || row->grant_type != *grant_type) {
    co_return refuse("unsupported_grant_type", "there is no such grant here");
  }
  TokenRequest request{std::move(*who), {}};
  if (!request.client().may(row->grant)) {
    co_return refuse("unauthorized_client", cat("this client may not use the grant ", row->name));
  }
  auto key = proven_key(context, {});
  if (!key) co_return std::unexpected(std::move(key.error()));
  request.bound_key = std::move(*key);
  if (const auto bound = check_binding(request); !bound) co_return std::unexpected(bound.error());
  const GrantHandler handler = handlers[static_cast<std::size_t>(row->grant)];
  auto answer = co_await handler(context, request);
  co_return answer;
}

}  // namespace

net::Task<Answer> serve_token(Context& context) {
  auto answer = co_await answer_token_request(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth

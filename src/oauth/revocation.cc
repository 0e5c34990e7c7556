// The revocation endpoint (RFC 7009). A refresh token takes its whole family along, an access token what was exchanged
// from it where it has no grant; all are on the list of gateways and guards before the answer is sent. What cannot be
// recorded is 503, never 200. A token that nobody knows is 200 (§2.2); another client's is refused (§2.1).
#include "base/bytes.h"
#include "oauth/access_token.h"
#include "oauth/client_authentication.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"
#include "oauth/refresh_token.h"
#include "oauth/revocations.h"

namespace keepgate::oauth {

namespace {

enum class Taken : std::uint8_t { refused = 0, back, unknown };

// `family`: as the token proves it, or "".
std::function<Result<Taken>(store::Database&)> family_job(std::string token, std::string family, std::string client,
                                                          Now now) {
  return [token = std::move(token), family = std::move(family), client = std::move(client),
          now](store::Database& database) -> Result<Taken> {
    const auto grant = find_family(database, token, family);
    if (!grant) return std::unexpected(grant.error());
    if (!*grant) return Taken::unknown;
    if ((*grant)->client != client) return Taken::refused;
    const auto done = revoke_grant(database, (*grant)->id, revoked_until_s(now.wall_s()), now);
    if (!done) return std::unexpected(done.error());
    return Taken::back;
  };
}

// RFC 7009 §2.2: the status says it all. Some clients read any answer as JSON, and others refuse one of another type.
Answer nothing_answer() { return json_answer("{}"); }

net::Task<Checked<Answer>> answer_revocation(Context& context) {
  auto who = co_await authenticate_client(context, PublicClients::accepted);
  if (!who) co_return std::unexpected(std::move(who.error()));
  const Client& client = *who->client;
  const auto text = context.request.form.find("token");
  if (!text) co_return refuse("invalid_request", "token is missing");
  std::function<Result<Taken>(store::Database&)> job;
  if (text->starts_with(refresh_prefix)) {
    job =
        family_job(std::string(*text), std::string(family_of_token(context.service, *text)), client.id, context.now());
  } else {
    const auto token = read_access_token(*text, context.settings, *context.state.keys, context.now());
    if (!token) co_return nothing_answer();
    if (token->text("client_id") != client.id) co_return refuse("invalid_request", "the token is another client's");
    // What was exchanged from it lives no longer than it does.
    job = [id = token->text("jti"), is_lone = token->text("grant_id").empty(), owner = std::string(token->text("sub")),
           until_s = revoked_until_after_s(token->number("exp"))](store::Database& database) -> Result<Taken> {
      const auto done = is_lone ? revoke_lone_token(database, id, until_s, owner)
                                : add_revocation(database, "jti", id, 0, until_s, owner);
      if (!done) return std::unexpected(done.error());
      return Taken::back;
    };
  }
  const auto taken = co_await context.record<Taken>(job);
  if (!taken) co_return store_failure(context, taken.error());
  if (*taken == Taken::refused) co_return refuse("invalid_request", "the token is another client's");
  co_return nothing_answer();
}

}  // namespace

net::Task<Answer> serve_revocation(Context& context) {
  auto answer = co_await answer_revocation(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth

// RFC 6749 §4.1.3, RFC 7636, RFC 9700 §2.1.1, §4.5: a code for tokens. The code is used once, by the client it was made
// for, with the redirect URI of the request and the verifier of its challenge; a second use takes back what the first
// gave. All of it, and the refresh token that may come out, is one transaction.
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "oauth/grant.h"
#include "oauth/refresh_token.h"
#include "oauth/revocations.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t verifier_length_min = 43, verifier_length_max = 128;  // RFC 7636 §4.1

bool is_verifier(std::string_view text) {
  if (text.size() < verifier_length_min || text.size() > verifier_length_max) return false;
  for (const char c : text) {
    if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_' && c != '~') return false;
  }
  return true;
}

struct CodeOutcome {
  RedeemedCode code;
  std::optional<User> user;
  std::string refresh_token;  // "": none.
};

}  // namespace

net::Task<Checked<Answer>> grant_authorization_code(Context& context, const TokenRequest& request) {
  const Params& form = context.request.form;
  if (!form.has("code")) co_return refuse("invalid_request", "code is missing");
  if (!form.has("redirect_uri")) co_return refuse("invalid_request", "redirect_uri is missing");
  if (!form.has("code_verifier")) co_return refuse("invalid_request", "code_verifier is missing");
  if (!is_verifier(form.get("code_verifier"))) {
    co_return refuse("invalid_grant", "code_verifier has not the form of one");
  }
  auto asked = asked_audience(form);
  if (!asked) co_return std::unexpected(std::move(asked.error()));
  const auto sum = crypto::sha256(form.get("code_verifier"));
  CodeUse use;
  use.code = form.get("code");
  use.client = request.client().id;
  use.redirect_uri = form.get("redirect_uri");
  use.challenge = crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()});
  use.bound_key = request.bound_key;
  use.audience = std::move(*asked);
  use.grant_expires_s = context.now().wall_s() + context.settings.grant_lifetime_s;
  use.binds_grant = request.client().is_public;
  const bool refreshes = request.client().may(Grant::refresh_token);
  const std::string secret = refreshes ? make_token("") : std::string();  // Of the refresh token.

  const Now now = context.now();
  const std::int64_t until_s = revoked_until_s(now.wall_s());
  const std::function<Result<CodeOutcome>(store::Database&)> job =
      [use, now, until_s, secret, settings = context.shared_settings,
       service = &context.service](store::Database& database) -> Result<CodeOutcome> {
    CodeOutcome out;
    auto code = redeem_code(database, use, until_s, now);
    if (!code) return std::unexpected(code.error());
    out.code = std::move(*code);
    if (out.code.what != Redeemed::good) return out;
    auto user = find_user(database, *settings, service->wrapping_key(), user_of(out.code.grant.subject));
    if (!user) return std::unexpected(user.error());
    out.user = std::move(*user);
    if (!out.user || out.user->disabled || secret.empty()) return out;
    out.refresh_token = make_refresh_token(*service, out.code.grant.id, secret);
    const auto added =
        add_refresh_token(database, out.refresh_token, out.code.grant, settings->refresh_token_lifetime_s, now);
    if (!added) return std::unexpected(added.error());
    return out;
  };
  auto outcome = co_await context.record<CodeOutcome>(job);
  if (!outcome) co_return store_failure(context, outcome.error());
  if (outcome->code.what == Redeemed::replayed) {
    context.exchange.refusal.reason = "a code was used twice: what it gave is taken back";
  }
  // RFC 8707 §2.2: the same audience that was consented to, or none.
  if (outcome->code.what == Redeemed::elsewhere) {
    co_return refuse("invalid_target", "this is not the audience that was consented to");
  }
  if (outcome->code.what != Redeemed::good || !outcome->user || outcome->user->disabled) {
    co_return refuse("invalid_grant", "the code is unknown, used, expired or not for this client and request");
  }
  UserTokens tokens;
  tokens.scopes = outcome->code.grant.scopes;
  tokens.nonce = outcome->code.nonce;
  tokens.grant = std::move(outcome->code.grant);
  tokens.user = std::move(*outcome->user);
  tokens.refresh_token = std::move(outcome->refresh_token);
  co_return answer_for_user(context, request, tokens);
}

}  // namespace keepgate::oauth

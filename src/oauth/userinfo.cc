// The userinfo endpoint (OpenID Connect Core §5.3): a protected resource, by the rules of RFC 6750 and RFC 9449 §7.
// What it tells follows from the scopes of the token: `profile` (with the user's roles), `email`, `phone`, `address`.
#include <algorithm>

#include "auth/jwt.h"
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/certificate.h"
#include "crypto/digest.h"
#include "crypto/json.h"
#include "oauth/access_token.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"
#include "oauth/proof_of_possession.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;

// OpenID Connect Core §5.4: the scope that a claim is told for. All others are told for `profile`.
struct ClaimRow {
  std::string_view claim, scope;
};
constexpr ClaimRow claim_rows[] = {
    {"email", "email"},     {"email_verified", "email"}, {"phone_number", "phone"}, {"phone_number_verified", "phone"},
    {"address", "address"},
};

// RFC 6750 §3.1, RFC 9449 §7.1.
std::unexpected<Failure> bad_token(const Context& context, std::uint16_t status, std::string_view error,
                                   std::string_view why) {
  context.exchange.refusal.reason = why;
  Failure out{status, error, "the access token does not hold here", {}};
  const bool said_nothing = context.request.authorization.empty() && !context.request.form.has("access_token");
  const std::string shown = said_nothing ? std::string() : cat(", error=\"", error, '"');
  out.fields = cat("WWW-Authenticate: Bearer realm=\"userinfo\"", shown,
                   "\r\nWWW-Authenticate: DPoP algs=\"ES256 EdDSA RS256 PS256\"", shown, "\r\n");
  if (error == "use_dpop_nonce" || !context.request.dpop_proofs.empty()) out.fields += nonce_field(context);
  return std::unexpected(std::move(out));
}

bool has_scope(const std::vector<std::string>& scopes, std::string_view one) {
  return std::ranges::find(scopes, one) != scopes.end();
}

// The certificate that a token is bound to has to be that of the connection (RFC 8705 §3).
bool fits_certificate(const Context& context, const Json& confirmation) {
  const auto wanted = confirmation.string_at("x5t#S256");
  const crypto::PresentedCertificate* shown = context.request.certificate;
  if (!wanted || !shown) return false;
  const auto sum = shown->leaf.sha256();
  return crypto::equal_constant_time(*wanted,
                                     crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()}));
}

Checked<void> check_confirmation(const Context& context, const OwnToken& token, std::string_view text,
                                 auth::TokenScheme scheme) {
  const Json* confirmation = token.payload.find("cnf");
  const auto key = confirmation ? confirmation->string_at("jkt") : std::nullopt;
  if (key && scheme != auth::TokenScheme::dpop) return bad_token(context, 401, "invalid_token", "sent as Bearer");
  if (!key && scheme == auth::TokenScheme::dpop) return bad_token(context, 401, "invalid_token", "bound to no key");
  if (!key) {
    if (!confirmation || fits_certificate(context, *confirmation)) return {};
    return bad_token(context, 401, "invalid_token", "the certificate is another");
  }
  const auto proven = proven_key(context, text);
  if (!proven) return bad_token(context, 401, proven.error().error, "the DPoP proof does not hold");
  if (proven->empty()) return bad_token(context, 401, "invalid_dpop_proof", "no DPoP proof");
  if (!crypto::equal_constant_time(*proven, *key)) return bad_token(context, 401, "invalid_token", "another key");
  return {};
}

std::string_view scope_of(std::string_view claim) {
  const auto row = std::ranges::find(claim_rows, claim, &ClaimRow::claim);
  return row == std::end(claim_rows) ? std::string_view("profile") : row->scope;
}

// §5.1: of the claims that clients know some are no texts. §5.1.1: an address as one text is its member `formatted`.
Json value_of(std::string_view claim, const std::string& text) {
  const bool is_flag = claim == "email_verified" || claim == "phone_number_verified";
  if (is_flag && (text == "true" || text == "false")) return Json(text == "true");
  if (claim == "address") return Json(Json::Object{{"formatted", Json(text)}});
  const auto seconds = claim == "updated_at" ? parse_unsigned<std::uint32_t>(text) : std::nullopt;
  return seconds ? Json(static_cast<std::int64_t>(*seconds)) : Json(text);
}

Answer facts_about(const User& user, const std::vector<std::string>& scopes) {
  Json::Object out;
  out.emplace_back("sub", Json(user.subject()));
  if (has_scope(scopes, "profile")) out.emplace_back("preferred_username", Json(user.name));
  for (const auto& [name, value] : user.claims) {
    if (has_scope(scopes, scope_of(name))) out.emplace_back(name, value_of(name, value));
  }
  if (has_scope(scopes, "profile") && !user.roles.empty()) {
    Json::Array roles;
    for (const std::string& one : user.roles) roles.emplace_back(one);
    out.emplace_back("roles", Json(std::move(roles)));
  }
  return json_answer(Json(std::move(out)).write());
}

net::Task<Checked<Answer>> answer_userinfo(Context& context) {
  const Request& request = context.request;
  if (request.query.has("access_token")) {  // RFC 9700 §4.3.2: never in the URL.
    co_return bad_token(context, 400, "invalid_request", "the token is in the URL");
  }
  const auto credential = auth::token_credential(request.authorization);
  const bool in_body = request.form.has("access_token");
  if (!request.form.first_repeated().empty()) {
    co_return bad_token(context, 400, "invalid_request", "a parameter is there twice");
  }
  if (request.has_two_authorizations || !credential || (in_body && !request.authorization.empty())) {
    co_return bad_token(context, 400, "invalid_request", "the token is malformed or sent twice");
  }
  const std::string_view text = in_body ? request.form.get("access_token") : credential->token;
  const auth::TokenScheme scheme = in_body ? auth::TokenScheme::bearer : credential->scheme;
  if (text.empty()) co_return bad_token(context, 401, "invalid_token", "no token");
  const auto token = read_access_token(text, context.settings, *context.state.keys, context.now());
  if (!token) co_return bad_token(context, 401, "invalid_token", token.error().detail);
  if (is_revoked(*token, context.state, context.now())) co_return bad_token(context, 401, "invalid_token", "revoked");
  if (const auto good = check_confirmation(context, *token, text, scheme); !good) {
    co_return std::unexpected(good.error());
  }
  const std::vector<std::string> scopes = split_words(token->text("scope"));
  const std::string name(user_of(token->text("sub")));
  if (name.empty() || !has_scope(scopes, "openid") || !token->payload.find("grant_id")) {
    co_return bad_token(context, 403, "insufficient_scope", "the token is not one of a user who signed in");
  }
  const std::function<Result<std::optional<User>>(store::Database&)> job =
      [name, settings = context.shared_settings, service = &context.service](store::Database& database) {
        return find_user(database, *settings, service->wrapping_key(), name);
      };
  const auto user = co_await context.record<std::optional<User>>(job);
  if (!user) co_return store_failure(context, user.error());
  if (!*user || (*user)->disabled) co_return bad_token(context, 401, "invalid_token", "the user is gone");
  Answer answer = facts_about(**user, scopes);
  if (scheme == auth::TokenScheme::dpop) answer.fields += nonce_field(context);
  co_return answer;
}

}  // namespace

net::Task<Answer> serve_userinfo(Context& context) {
  auto answer = co_await answer_userinfo(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth

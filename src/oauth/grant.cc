#include "oauth/grant.h"

#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "base/log.h"
#include "oauth/proof_of_possession.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t scopes_max = 100;
constexpr std::size_t answer_bytes_expected = 256;  // Without the access token.
constexpr std::string_view openid_scopes[] = {"openid", "profile", "email", "address", "phone", "offline_access"};

bool has(const std::vector<std::string>& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  append(out, ",\"", name, "\":\"");
  append_json_escaped(out, value);
  out += '"';
}

}  // namespace

bool is_openid_scope(std::string_view scope) {
  return std::ranges::find(openid_scopes, scope) != std::end(openid_scopes);
}

Checked<std::vector<std::string>> requested_scopes(const Params& params, const std::vector<std::string>& allowed) {
  const auto text = params.find("scope");
  if (!text) return allowed;
  std::vector<std::string> out;
  for (std::string& one : split_words(*text)) {
    if (!is_scope_token(one)) return refuse("invalid_scope", "scope has a character that no scope has");
    if (!has(allowed, one)) return refuse("invalid_scope", cat("the scope ", printable(one, 60), " is not to be had"));
    if (!has(out, one)) out.push_back(std::move(one));
    if (out.size() > scopes_max) return refuse("invalid_scope", "more than 100 scopes");
  }
  if (out.empty()) return refuse("invalid_scope", "scope has no word in it");
  return out;
}

bool is_known_audience(const Settings& settings, std::string_view audience) {
  return settings.resources.empty() ||
         std::ranges::find(settings.resources, audience, &Resource::name) != settings.resources.end();
}

Checked<std::string> asked_audience(const Params& params) {
  std::string_view asked;
  for (const auto& [name, value] : params.pairs()) {
    if (value.empty() || (name != "resource" && name != "audience")) continue;
    if (!asked.empty() && asked != value) {
      return refuse("invalid_target", "a token is for one audience: ask once for each");
    }
    asked = value;
  }
  return std::string(asked);
}

Checked<std::string> requested_audience(const Params& params, const std::vector<std::string>& allowed,
                                        const Settings& settings) {
  auto named = asked_audience(params);
  if (!named) return named;
  std::string asked = std::move(*named);
  if (asked.empty()) {
    if (allowed.empty()) return settings.issuer;
    if (allowed.size() > 1) return refuse("invalid_target", "name the audience: resource or audience");
    asked = allowed.front();
  }
  if (!has(allowed, asked) || !is_known_audience(settings, asked)) {
    return refuse("invalid_target", "this audience is not to be had");
  }
  return asked;
}

Checked<std::vector<std::string>> scopes_at(const std::string& audience, std::vector<std::string> scopes,
                                            const Params& params, const Settings& settings) {
  const auto found = std::ranges::find(settings.resources, audience, &Resource::name);
  if (found == settings.resources.end() || found->scopes.empty()) return scopes;
  const auto is_foreign = [&](const std::string& one) { return !has(found->scopes, one) && !is_openid_scope(one); };
  if (params.has("scope") && std::ranges::any_of(scopes, is_foreign)) {
    return refuse("invalid_scope", "a scope is not one of this audience's");
  }
  std::erase_if(scopes, is_foreign);
  return scopes;
}

std::int64_t access_token_lifetime_s(const Client& client, const Settings& settings) {
  return client.access_token_lifetime_s > 0 ? client.access_token_lifetime_s : settings.access_token_lifetime_s;
}

TokenFacts facts_for(const Context& context, const TokenRequest& request) {
  TokenFacts out;
  out.client = request.client().id;
  out.bound_key = request.bound_key;
  // RFC 8705 §3: who authenticates by a certificate, or asks for it, gets tokens that are bound to it.
  const bool by_certificate = request.who.proof == ClientProofKind::certificate || request.client().binds_tokens;
  if (out.bound_key.empty() && by_certificate) out.bound_certificate = request.who.certificate_thumbprint;
  out.issued_s = context.now().wall_s();
  out.expires_s = out.issued_s + access_token_lifetime_s(request.client(), context.settings);
  return out;
}

Checked<void> check_binding(const TokenRequest& request) {
  if (!request.client().binds_tokens || !request.bound_key.empty() || !request.who.certificate_thumbprint.empty()) {
    return {};
  }
  return refuse("invalid_request", "this client's tokens are bound: send a DPoP proof or use a certificate");
}

namespace {

std::unexpected<Failure> cannot_sign(const Error& error) {
  log(LogLevel::error, "authorization server: no token could be signed: ", error.detail);
  return refuse(500, "server_error", "");
}

}  // namespace

Checked<Answer> token_answer(const Context& context, TokenAnswer out) {
  const TokenFacts& facts = out.facts;
  const KeyRing& keys = *context.state.keys;
  const auto token = mint_access_token(facts, context.settings, keys, context.now());
  if (!token) return cannot_sign(token.error());
  std::string body;
  body.reserve(token->token.size() + answer_bytes_expected);
  append(body, R"({"access_token":")", token->token, R"(","token_type":")", facts.bound_key.empty() ? "Bearer" : "DPoP",
         R"(","expires_in":)", facts.expires_s - context.now().wall_s());
  append_text(body, "scope", joined(facts.scopes));
  append_text(body, "refresh_token", out.refresh_token);
  if (out.id) {
    out.id->access_token = token->token;
    const auto id_token = mint_id_token(*out.id, context.settings, keys, context.now());
    if (!id_token) return cannot_sign(id_token.error());
    append_text(body, "id_token", *id_token);
  }
  append_text(body, "issued_token_type", out.issued_token_type);
  body += '}';
  Answer answer = json_answer(std::move(body));
  if (!facts.bound_key.empty()) answer.fields += nonce_field(context);
  return answer;
}

Checked<std::vector<std::string>> scopes_left(const Client& client, const Settings& settings,
                                              const std::string& audience, std::vector<std::string> scopes) {
  const bool has_audience = client.audiences.empty()
                                ? audience == settings.issuer
                                : has(client.audiences, audience) && is_known_audience(settings, audience);
  if (!has_audience) return refuse("invalid_target", "the client may have no more tokens for this audience");
  const bool had_any = !scopes.empty();
  std::erase_if(scopes, [&](const std::string& one) { return !has(client.scopes, one); });
  auto out = scopes_at(audience, std::move(scopes), Params(), settings);
  if (out && out->empty() && had_any) return refuse("invalid_scope", "nothing of what was consented to is left");
  return out;
}

Checked<Answer> answer_for_user(const Context& context, const TokenRequest& request, const UserTokens& tokens) {
  TokenAnswer out;
  out.facts = facts_for(context, request);
  out.facts.subject = tokens.grant.subject;
  out.facts.audience = tokens.grant.audience;
  // What the operator has taken from the client since then is not given any more.
  auto left = scopes_left(request.client(), context.settings, tokens.grant.audience, tokens.scopes);
  if (!left) return std::unexpected(std::move(left.error()));
  out.facts.scopes = std::move(*left);
  out.facts.roles = tokens.user.roles;
  out.facts.grant = tokens.grant.id;
  out.facts.methods = tokens.grant.methods;
  out.facts.authenticated_s = tokens.grant.authenticated_s;
  out.facts.expires_s = std::min(out.facts.expires_s, tokens.grant.expires_s);
  out.refresh_token = tokens.refresh_token;
  if (!has(out.facts.scopes, "openid")) return token_answer(context, std::move(out));
  IdTokenFacts& id = out.id.emplace();
  id.subject = tokens.grant.subject;
  id.client = tokens.grant.client;
  id.nonce = tokens.nonce;
  id.session = tokens.grant.session;
  id.methods = tokens.grant.methods;
  id.authenticated_s = tokens.grant.authenticated_s;
  id.issued_s = context.now().wall_s();
  return token_answer(context, std::move(out));
}

std::string_view user_of(std::string_view subject) {
  constexpr std::string_view prefix = "user:";
  return subject.starts_with(prefix) ? subject.substr(prefix.size()) : std::string_view();
}

}  // namespace keepgate::oauth

#include "oauth/authorization_request.h"

#include <algorithm>

#include "base/bytes.h"
#include "oauth/grant.h"
#include "oauth/grant_records.h"
#include "oauth/session_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t challenge_length = 43;  // Of S256: 32 bytes in base64url.
constexpr std::size_t opaque_bytes_max = 4096;

bool is_base64url(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; });
}

// Client and redirect URI: until these hold nobody is sent anywhere.
Checked<AuthorizationRequest> check_ends(const Context& context, const Params& parameters) {
  AuthorizationRequest out;
  for (const std::string_view name : {"client_id", "redirect_uri"}) {
    if (std::ranges::count(parameters.pairs(), name, [](const auto& pair) { return std::string_view(pair.first); }) >
        1) {
      return refuse("invalid_request", cat(name, " was sent twice"));
    }
  }
  if (!parameters.has("client_id")) return refuse("invalid_request", "client_id is missing");
  out.client = context.find_client(parameters.get("client_id"));
  if (!out.client) return refuse("invalid_client", "there is no such client");
  if (!out.client->may(Grant::authorization_code)) {
    return refuse("unauthorized_client", "this client may not send people here");
  }
  const auto redirect_uri = parameters.find("redirect_uri");
  if (!redirect_uri) return refuse("invalid_request", "redirect_uri is missing");
  if (!is_redirect_uri_of(*out.client, *redirect_uri)) {
    return refuse("invalid_request", "redirect_uri is not registered for this client");
  }
  out.redirect_uri = *redirect_uri;
  out.state = parameters.get("state");
  return out;
}

Checked<void> check_response(const Params& parameters) {
  if (const std::string_view name = parameters.first_repeated(); !name.empty()) {
    return refuse("invalid_request", cat("the parameter ", printable(name, 60), " was sent twice"));
  }
  // OpenID Connect Core §6: a request object is refused, not passed over.
  if (parameters.has("request")) return refuse("request_not_supported", "request objects are not read here");
  if (parameters.has("request_uri")) {
    return refuse("request_uri_not_supported", "only a request_uri of the endpoint for pushed requests is read here");
  }
  if (parameters.has("registration")) return refuse("registration_not_supported", "registration is not read here");
  if (!parameters.has("response_type")) return refuse("invalid_request", "response_type is missing");
  if (parameters.get("response_type") != "code") {
    return refuse("unsupported_response_type", "the only response_type is code");
  }
  if (parameters.find("response_mode").value_or("query") != "query") {
    return refuse("invalid_request", "the only response_mode is query");
  }
  return {};
}

// RFC 7636 §4.3, RFC 9700 §2.1.1: always, and only S256.
Checked<void> check_challenge(const Params& parameters, AuthorizationRequest& out) {
  if (!parameters.has("code_challenge"))
    return refuse("invalid_request", "code_challenge is missing: PKCE is required");
  if (parameters.get("code_challenge_method") != "S256") {
    return refuse("invalid_request", "code_challenge_method must be S256");
  }
  out.challenge = parameters.get("code_challenge");
  if (out.challenge.size() != challenge_length || !is_base64url(out.challenge)) {
    return refuse("invalid_request", "code_challenge is no SHA-256 in base64url");
  }
  out.bound_key = parameters.get("dpop_jkt");
  if (!out.bound_key.empty() && (out.bound_key.size() != challenge_length || !is_base64url(out.bound_key))) {
    return refuse("invalid_request", "dpop_jkt is no SHA-256 in base64url");
  }
  return {};
}

Checked<void> check_prompt(const Params& parameters, AuthorizationRequest& out) {
  for (const std::string& word : split_words(parameters.get("prompt"))) {
    if (word == "none") {
      out.prompt.none = true;
    } else if (word == "login") {
      out.prompt.login = true;
    } else if (word == "consent") {
      out.prompt.consent = true;
    } else if (word == "select_account") {
      out.prompt.select_account = true;
    } else {
      return refuse("invalid_request", "prompt has a word that is not known");
    }
  }
  const Prompt& prompt = out.prompt;
  if (prompt.none && (prompt.login || prompt.consent || prompt.select_account)) {
    return refuse("invalid_request", "prompt=none stands alone");
  }
  if (const auto age = parameters.find("max_age")) {
    const auto seconds = parse_unsigned<std::uint32_t>(*age);
    if (!seconds) return refuse("invalid_request", "max_age is no number of seconds");
    out.max_age_s = *seconds;
  }
  out.nonce = parameters.get("nonce");
  out.login_hint = parameters.get("login_hint");
  if (out.nonce.size() > opaque_bytes_max || out.state.size() > opaque_bytes_max ||
      out.login_hint.size() > opaque_bytes_max) {
    return refuse("invalid_request", "state, nonce or login_hint is longer than 4 KiB");
  }
  return {};
}

Checked<void> check_rest(const Context& context, const Params& parameters, AuthorizationRequest& out) {
  if (auto good = check_response(parameters); !good) return good;
  if (out.client->needs_pushed_requests && out.pushed.empty()) {
    return refuse("invalid_request", "this client has to push its requests (RFC 9126)");
  }
  if (auto good = check_challenge(parameters, out); !good) return good;
  if (auto good = check_prompt(parameters, out); !good) return good;
  auto scopes = requested_scopes(parameters, out.client->scopes);
  if (!scopes) return std::unexpected(scopes.error());
  auto audience = requested_audience(parameters, out.client->audiences, context.settings);
  if (!audience) return std::unexpected(audience.error());
  scopes = scopes_at(*audience, std::move(*scopes), parameters, context.settings);
  if (!scopes) return std::unexpected(scopes.error());
  out.scopes = std::move(*scopes);
  out.audience = std::move(*audience);
  return {};
}

}  // namespace

CheckedRequest check_authorization_request(const Context& context, const Params& parameters, std::string pushed) {
  auto ends = check_ends(context, parameters);
  if (!ends) return std::unexpected(AuthorizationFault{std::move(ends.error()), {}, {}});
  AuthorizationRequest& out = *ends;
  out.pushed = std::move(pushed);
  out.parameters = parameters;
  if (auto good = check_rest(context, parameters, out); !good) {
    return std::unexpected(AuthorizationFault{std::move(good.error()), out.redirect_uri, out.state});
  }
  return std::move(out);
}

net::Task<Checked<PushedRequest>> load_pushed_request(Context& context, std::string client, std::string request_uri) {
  if (!request_uri.starts_with(request_uri_prefix)) {
    co_return refuse("invalid_request_uri", "request_uri is none of ours");
  }
  const std::string hash = hash_of_token(request_uri.substr(request_uri_prefix.size()));
  const std::function<Result<std::string>(store::Database&)> job =
      [hash, client, now_s = context.now().wall_s()](store::Database& database) -> Result<std::string> {
    const auto rows = database.run(
        "SELECT parameters FROM pushed_requests WHERE hash = $1 AND client = $2 AND expires_s > $3 AND used_s IS NULL",
        {hash, client, now_s});
    if (!rows) return std::unexpected(rows.error());
    return rows->empty() ? std::string() : store::text_of(rows->front()[0]);
  };
  const auto text = co_await context.record<std::string>(job);
  if (!text) co_return store_failure(context, text.error());
  if (text->empty()) co_return refuse("invalid_request_uri", "request_uri is unknown, used or expired");
  auto parameters = Params::parse(*text);
  if (!parameters) co_return refuse("invalid_request_uri", "request_uri cannot be used");
  co_return PushedRequest{std::move(*parameters), hash};
}

Answer authorization_response(const Settings& settings, const std::string& redirect_uri, std::string_view state,
                              Params parameters) {
  if (!state.empty()) parameters.add("state", std::string(state));
  parameters.add("iss", settings.issuer);  // RFC 9207 §2: also with errors.
  Answer out;
  out.status = 303;  // RFC 9700 §4.12: the browser must not send the form of our page on.
  out.location = cat(redirect_uri, redirect_uri.find('?') == std::string::npos ? '?' : '&', parameters.write());
  out.fields = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n";
  return out;
}

Answer authorization_refusal(const Settings& settings, const AuthorizationFault& fault) {
  Params parameters;
  parameters.add("error", std::string(fault.failure.error));
  // RFC 6749 §4.1.2.1: without quotes and backslashes, which the name of a parameter may have had.
  std::string text = fault.failure.description;
  std::ranges::replace_if(text, [](char c) { return c == '"' || c == '\\'; }, '\'');
  if (!text.empty()) parameters.add("error_description", std::move(text));
  return authorization_response(settings, fault.redirect_uri, fault.state, std::move(parameters));
}

namespace {

struct CodeJob {
  GrantRecord grant;
  CodeRecord code;
  std::string user, pushed;
  bool remembers = false;
};

enum class Issued : std::uint8_t { signed_out = 0, used_before, good };

// In one transaction: a sign-out that was committed before this is seen, and one that comes after revokes what this
// gives.
Result<Issued> run_code_job(store::Database& database, const CodeJob& job, Now now) {
  const auto signed_in = is_signed_in(database, job.grant.session, job.user, now);
  if (!signed_in) return std::unexpected(signed_in.error());
  if (!*signed_in) return Issued::signed_out;
  if (!job.pushed.empty()) {
    const auto won =
        database.run("UPDATE pushed_requests SET used_s = $2 WHERE hash = $1 AND used_s IS NULL RETURNING hash",
                     {job.pushed, now.wall_s()});
    if (!won) return std::unexpected(won.error());
    if (won->empty()) return Issued::used_before;
  }
  if (const auto added = add_grant(database, job.grant); !added) return std::unexpected(added.error());
  if (const auto added = add_code(database, job.code); !added) return std::unexpected(added.error());
  if (!job.remembers) return Issued::good;
  const auto remembered = database.run(
      "INSERT INTO consents (user_name, client, scopes, audience, granted_s) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (user_name, client, audience) DO UPDATE SET scopes = excluded.scopes,"
      " granted_s = excluded.granted_s",
      {job.user, job.grant.client, joined(job.grant.scopes), job.grant.audience, now.wall_s()});
  if (!remembered) return std::unexpected(remembered.error());
  return Issued::good;
}

}  // namespace

net::Task<Checked<Answer>> issue_code(Context& context, const AuthorizationRequest& request, const SignedIn& who,
                                      RememberConsent remember) {
  const Now now = context.now();
  const std::string code = make_token(code_prefix);
  CodeJob job;
  job.user = who.user;
  job.pushed = request.pushed;
  job.remembers = remember == RememberConsent::yes;
  job.grant.id = make_token("");
  job.grant.client = request.client->id;
  job.grant.subject = cat("user:", who.user);
  job.grant.audience = request.audience;
  job.grant.scopes = request.scopes;
  job.grant.methods = who.methods;
  job.grant.authenticated_s = who.authenticated_s;
  // RFC 9449 §5: the refresh tokens of public clients are bound; those of others are bound to the client already.
  if (request.client->is_public) job.grant.bound_key = request.bound_key;
  job.grant.session = who.session;
  job.grant.created_s = now.wall_s();
  // As long as its code, until that is redeemed.
  job.grant.expires_s = now.wall_s() + context.settings.authorization_code_lifetime_s;
  job.code.hash = hash_of_token(code);
  job.code.grant = job.grant.id;
  job.code.redirect_uri = request.redirect_uri;
  job.code.challenge = request.challenge;
  job.code.nonce = request.nonce;
  job.code.bound_key = request.bound_key;
  job.code.expires_s = now.wall_s() + context.settings.authorization_code_lifetime_s;
  const std::function<Result<Issued>(store::Database&)> record = [job, now](store::Database& database) {
    return run_code_job(database, job, now);
  };
  const auto done = co_await context.record<Issued>(record);
  if (!done) co_return store_failure(context, done.error());
  if (*done == Issued::signed_out) co_return refuse("login_required", "the user has signed out meanwhile");
  if (*done != Issued::good) co_return refuse("invalid_request_uri", "request_uri was used before");
  Params parameters;
  parameters.add("code", code);
  co_return authorization_response(context.settings, request.redirect_uri, request.state, std::move(parameters));
}

}  // namespace keepgate::oauth

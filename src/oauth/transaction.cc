// What a token says comes from the subject token and from what is known of the caller; the caller's own details may
// tell what the transaction is about, and never who it is for. A replacement keeps txn, sub, aud and tctx.
#include "oauth/transaction.h"

#include <algorithm>
#include <span>

#include "auth/claims.h"
#include "auth/revocations.h"
#include "base/bytes.h"
#include "base/log.h"
#include "crypto/jws.h"
#include "crypto/random.h"
#include "identity/transaction_token.h"
#include "oauth/subject_token.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;

constexpr std::size_t details_bytes_max = 4096;
constexpr crypto::JsonLimits details_limits{.bytes_max = details_bytes_max, .depth_max = 4, .values_max = 200};
// Who asks, and what may take it back, is not the caller's to say.
constexpr std::string_view identity_members[] = {
    "client_id", "client_service", "customer", "roles", "scopes", auth::carried_grant_id, auth::carried_grant_issuer};

// Nor is how well anything was proven.
constexpr std::string_view proof_members[] = {"authn", "transport"};
constexpr std::size_t statement_id_bytes_max = 256;

// What goes into the token, wherever it came from.
struct Transaction {
  std::string id, subject, scope, requesters;
  std::string once;  // Names the statement that it was made from, where that may pass once; "": none.
  std::int64_t once_until_s = 0;
  bool is_foreign = false;  // A trusted issuer names the subject.
  Json context = Json(Json::Object{}), environment = Json(Json::Object{});
  std::int64_t expires_s = 0;
};

std::string workload_of(const Client& client) { return client.tls_san_uri.empty() ? client.id : client.tls_san_uri; }

Checked<Json> read_details(const Params& form, std::string_view name, std::span<const std::string_view> refused) {
  const auto text = form.find(name);
  if (!text) return Json(Json::Object{});
  auto json = crypto::parse_json(*text, details_limits);
  if (!json || !json->object()) return refuse("invalid_request", cat(name, " is no JSON object, or too large"));
  for (const std::string_view member : refused) {
    if (json->find(member)) {
      return refuse("invalid_request", cat(name, " must not have the member ", member));
    }
  }
  return std::move(*json);
}

// Each scope has to be known and allowed: an unknown one is refused, not left out.
Checked<std::string> checked_scope(const Params& form, const std::vector<std::string>& ceiling,
                                   const std::vector<std::string>& allowed) {
  if (!form.has("scope")) return refuse("invalid_scope", "scope is missing: say what the transaction is for");
  std::vector<std::string> out;
  for (const std::string& one : split_words(form.get("scope"))) {
    const bool is_good =
        std::ranges::find(ceiling, one) != ceiling.end() && std::ranges::find(allowed, one) != allowed.end();
    if (!is_good) return refuse("invalid_scope", cat("the scope ", printable(one, 60), " is not to be had"));
    if (std::ranges::find(out, one) == out.end()) out.push_back(one);
  }
  if (out.empty()) return refuse("invalid_scope", "scope has no word in it");
  return joined(out);
}

// The grant, too: guards refuse what was minted for a token whose grant was taken back (auth/revocations.h).
void set_identity(Json::Object& context, const SubjectToken& subject, const std::string& issuer) {
  if (!subject.client.empty()) context.emplace_back("client_id", Json(subject.client));
  if (const std::string_view user = user_of(subject.subject); !user.empty()) {
    context.emplace_back("customer", Json(std::string(user)));
  }
  if (!subject.grant.empty()) {
    context.emplace_back(auth::carried_grant_id, Json(subject.grant));
    context.emplace_back(auth::carried_grant_issuer, Json(issuer));
  }
  if (subject.roles.empty()) return;
  Json::Array roles;
  for (const std::string& one : subject.roles) roles.emplace_back(one);
  context.emplace_back("roles", Json(std::move(roles)));
}

struct OwnStatement {
  SubjectToken subject;
  std::string once;
};

// What a signed statement has on top of a plain one: for us alone, short-lived, with an id (as RFC 7523 §3).
Checked<std::string> check_signed_statement(const Context& context, const Client& client, const crypto::Jws& jws,
                                            const Json& claims, std::int64_t& expires_s) {
  const auto bad = [&](std::string_view why) {
    context.exchange.refusal.reason = why;
    return refuse("invalid_request", "the subject token does not hold");
  };
  if (const auto type = jws.header.string_at("typ"); type && !equals_ignoring_case(*type, "JWT")) {
    return bad("typ is of another kind of token");
  }
  if (claims.string_at("iss") != client.id) return bad("iss is not the client");
  if (claims.string_at("aud") != context.settings.issuer) return bad("aud is not this issuer alone");
  const std::int64_t now_s = context.now().wall_s();
  const auto expires = auth::numeric_date(claims, "exp");
  if (!expires || !*expires || **expires <= now_s) return bad("it has expired, or never does");
  if (**expires > now_s + assertion_lifetime_s_max + assertion_leeway_s) return bad("it lives too long");
  const auto not_before = auth::numeric_date(claims, "nbf", auth::Rounding::up);
  if (!not_before || (*not_before && **not_before > now_s + assertion_leeway_s)) return bad("it is not valid yet");
  const auto id = claims.string_at("jti");
  if (!id || id->empty() || id->size() > statement_id_bytes_max) return bad("jti is missing, empty or too long");
  expires_s = **expires;
  return cat("statement ", hash_of_token(cat(client.id, ' ', *id)));
}

// A workload that starts a transaction by itself: a statement that it signed with its own key, or plain JSON that its
// authentication vouches for. It speaks for itself and for nobody else, unless an operator has said `impersonate`.
Checked<OwnStatement> read_own_statement(const Context& context, const Client& client, std::string_view token,
                                         std::string_view kind) {
  const auto bad = [&](std::string_view why) {
    context.exchange.refusal.reason = why;
    return refuse("invalid_request", "the subject token does not hold");
  };
  OwnStatement out;
  out.subject.expires_s = context.now().wall_s() + identity::lifetime_s_max;
  std::string payload(token);
  crypto::Jws signed_part;
  if (kind == "self_signed") {
    auto jws = crypto::parse_jws(token);
    if (!jws || !client.keys) return bad("it is no signed token, or the client has no keys");
    if (const auto key = crypto::verify_jws(*jws, *client.keys); !key) return bad(key.error().detail);
    payload = jws->payload;
    signed_part = std::move(*jws);
  }
  const auto claims = crypto::parse_json(payload, details_limits);
  if (!claims || !claims->object()) return bad("it is no JSON object");
  if (kind == "self_signed") {
    auto once = check_signed_statement(context, client, signed_part, *claims, out.subject.expires_s);
    if (!once) return std::unexpected(std::move(once.error()));
    out.once = std::move(*once);
  }
  out.subject.subject = claims->string_at("sub").value_or("");
  out.subject.client = client.id;
  out.subject.scopes = client.scopes;
  if (out.subject.subject == client.subject()) return out;
  const bool may_speak = client.exchange.impersonate && auth::is_identity_text(out.subject.subject) &&
                         matches_pattern(client.exchange.subjects, out.subject.subject);
  if (!may_speak) return bad("a workload speaks for itself: only `impersonate` lets it name another");
  log(LogLevel::notice, "authorization server: client '", printable(client.id), "' starts a transaction as '",
      printable(out.subject.subject), "'");
  return out;
}

const crypto::Key* transaction_key(const Context& context) {
  if (context.settings.transaction_key) return context.settings.transaction_key.get();
  const SigningKey* const own = context.state.keys->current(context.now());
  return own ? own->key.get() : nullptr;
}

crypto::KeySet transaction_keys(const Context& context) {
  crypto::KeySet out = context.state.keys->for_verification();
  if (context.settings.transaction_key) out.keys = {context.settings.transaction_key};
  return out;
}

Checked<OwnStatement> read_subject(const Context& context, const Client& client, std::string_view kind) {
  const Params& form = context.request.form;
  if (kind == "self_signed" || kind == "unsigned_json") {
    return read_own_statement(context, client, form.get("subject_token"), kind);
  }
  auto subject = read_subject_token(context, form.get("subject_token"), form.get("subject_token_type"));
  if (!subject) return std::unexpected(std::move(subject.error()));
  if (const auto good = check_exchange_subject(context, client, *subject); !good) return std::unexpected(good.error());
  return OwnStatement{std::move(*subject), {}};
}

Checked<Transaction> from_subject(const Context& context, const TokenRequest& request, std::string_view kind) {
  const Params& form = context.request.form;
  const Client& client = request.client();
  auto statement = read_subject(context, client, kind);
  if (!statement) return std::unexpected(std::move(statement.error()));
  const SubjectToken* const subject = &statement->subject;
  auto scope = checked_scope(form, subject->scopes, client.scopes);
  if (!scope) return std::unexpected(std::move(scope.error()));
  auto details = read_details(form, "request_details", identity_members);
  if (!details) return std::unexpected(std::move(details.error()));
  auto environment = read_details(form, "request_context", proof_members);
  if (!environment) return std::unexpected(std::move(environment.error()));
  Json::Object surroundings = *environment->object();
  surroundings.emplace_back("authn", Json(std::string(kind)));
  Json::Object facts = *details->object();
  set_identity(facts, *subject, context.settings.issuer);
  Transaction out;
  out.id = crypto::random_id();
  out.subject = subject->subject;
  out.scope = std::move(*scope);
  out.requesters = workload_of(client);
  out.context = Json(std::move(facts));
  out.environment = Json(std::move(surroundings));
  out.once = std::move(statement->once);
  out.once_until_s = subject->expires_s;
  out.is_foreign = subject->is_foreign;
  out.expires_s = std::min(context.now().wall_s() + context.settings.transaction_token_lifetime_s, subject->expires_s);
  return out;
}

// By its subject, its key, or the client or grant whose token it was made for.
bool was_taken_back(const Context& context, const Json& claims, std::string_view key_id) {
  if (!context.state.revocations || !context.state.revocations->list) return true;  // Nobody knows: yes.
  auth::RevocableNames names;
  names.take_transaction(claims);
  names.token_key = key_id;
  auth::Principal client;
  if (const Json* facts = claims.find("tctx")) client.client = facts->string_at("client_id").value_or("");
  names.principal = &client;
  return context.state.revocations->list->find(names, context.now()).has_value();
}

Checked<Transaction> from_transaction(const Context& context, const TokenRequest& request) {
  const auto bad = [&](std::string_view why) {
    context.exchange.refusal.reason = why;
    return refuse("invalid_request", "the subject token does not hold");
  };
  const Params& form = context.request.form;
  const Client& client = request.client();
  const auto jws = crypto::parse_jws(form.get("subject_token"));
  if (!jws) return bad(jws.error().detail);
  if (jws->header.string_at("typ") != identity::transaction_token_type) return bad("typ is of another kind of token");
  const crypto::KeySet keys = transaction_keys(context);
  const auto key = crypto::verify_jws(*jws, keys);
  if (!key) return bad(key.error().detail);
  const auto claims = crypto::parse_json(jws->payload, auth::payload_limits);
  if (!claims || !claims->object()) return bad("its claims are no JSON object");
  if (claims->string_at("aud") != context.settings.trust_domain) return bad("it is of another trust domain");
  if (was_taken_back(context, *claims, (*key)->id())) return bad("it was revoked");
  const auto expires = auth::numeric_date(*claims, "exp");
  // An expired one is never replaced.
  if (!expires || !*expires || **expires <= context.now().wall_s()) return bad("it has expired");
  if (form.has("request_details")) return refuse("invalid_request", "what a transaction is about does not change");
  Transaction out;
  out.id = claims->string_at("txn").value_or("");
  out.subject = claims->string_at("sub").value_or("");
  out.requesters = claims->string_at("req_wl").value_or("");
  if (out.id.empty() || out.subject.empty() || out.requesters.empty()) return bad("a claim is missing");
  if (!matches_pattern(client.exchange.subjects, out.subject)) return bad("the subject is not on the client's list");
  if (std::ranges::count(out.requesters, ',') + 1 >= static_cast<std::ptrdiff_t>(requesters_max)) {
    return refuse("invalid_request", "the token was replaced too often");
  }
  append(out.requesters, ',', workload_of(client));
  auto scope = checked_scope(form, split_words(claims->string_at("scope").value_or("")), client.scopes);
  if (!scope) return std::unexpected(std::move(scope.error()));
  out.scope = std::move(*scope);
  if (const Json* facts = claims->find("tctx")) out.context = *facts;
  if (const Json* environment = claims->find("rctx")) out.environment = *environment;
  out.expires_s = std::min(context.now().wall_s() + context.settings.transaction_token_lifetime_s, **expires);
  return out;
}

Checked<Answer> transaction_answer(const Context& context, const Transaction& transaction) {
  const crypto::Key* const key = transaction_key(context);
  Json::Object claims;
  claims.emplace_back("iss", Json(context.settings.issuer));
  claims.emplace_back("iat", Json(context.now().wall_s()));
  claims.emplace_back("exp", Json(transaction.expires_s));
  claims.emplace_back("aud", Json(context.settings.trust_domain));
  claims.emplace_back("txn", Json(transaction.id));
  claims.emplace_back("sub", Json(transaction.subject));
  claims.emplace_back("scope", Json(transaction.scope));
  claims.emplace_back("req_wl", Json(transaction.requesters));
  claims.emplace_back("tctx", transaction.context);
  claims.emplace_back("rctx", transaction.environment);
  if (!key) return refuse(500, "server_error", "");
  const std::string header = cat(R"({"alg":")", crypto::name_of(key->algorithm()), R"(","typ":")",
                                 identity::transaction_token_type, R"(","kid":")", key->id(), "\"}");
  const auto token = crypto::sign_jws(header, Json(std::move(claims)).write(), *key);
  if (!token) {
    log(LogLevel::error, "authorization server: no transaction token could be signed: ", token.error().detail);
    return refuse(500, "server_error", "");
  }
  context.exchange.minted_transaction = transaction.id;
  return json_answer(cat(R"({"token_type":"N_A","issued_token_type":")", token_type_prefix,
                         R"(txn_token","access_token":")", *token, R"(","expires_in":)",
                         transaction.expires_s - context.now().wall_s(), '}'));
}

}  // namespace

net::Task<Checked<Answer>> exchange_for_transaction(Context& context, const TokenRequest& request) {
  const Params& form = context.request.form;
  if (context.settings.trust_domain.empty()) {
    co_return refuse("invalid_request", "this server issues no transaction tokens");
  }
  // The draft: the caller authenticates with a key, not with a secret that others may have read.
  if (request.who.proof != ClientProofKind::assertion && request.who.proof != ClientProofKind::certificate) {
    co_return refuse("unauthorized_client", "transaction tokens are for clients that authenticate with a key");
  }
  if (workload_of(request.client()).find(',') != std::string::npos) {
    co_return refuse("unauthorized_client", "the client's name cannot stand in a list of workloads");
  }
  const std::vector<std::string_view> audiences = form.all("audience");
  if (audiences.size() != 1 || audiences.front() != context.settings.trust_domain) {
    co_return refuse("invalid_target", "audience must be the trust domain");
  }
  if (form.has("actor_token") || form.has("actor_token_type")) {
    co_return refuse("invalid_request", "a transaction token names no actor but the client that asks for it");
  }
  const std::string_view kind = token_type_named(form.get("subject_token_type"));
  if (kind == "refresh_token") co_return refuse("invalid_request", "a refresh token is exchanged for nothing here");
  auto transaction = kind == "txn_token" ? from_transaction(context, request) : from_subject(context, request, kind);
  if (!transaction) co_return std::unexpected(std::move(transaction.error()));
  if (transaction->is_foreign) {
    const auto good = co_await check_local_user(context, transaction->subject);
    if (!good) co_return std::unexpected(good.error());
  }
  if (!transaction->once.empty()) {
    const std::function<Result<bool>(store::Database&)> job =
        [use = transaction->once, until_s = transaction->once_until_s](store::Database& database) {
          return use_once(database, use, until_s);
        };
    const auto is_first = co_await context.record<bool>(job);
    if (!is_first) co_return store_failure(context, is_first.error());
    if (!*is_first) {
      context.exchange.refusal.reason = "the statement was used before";
      co_return refuse("invalid_request", "the subject token does not hold");
    }
  }
  co_return transaction_answer(context, *transaction);
}

}  // namespace keepgate::oauth

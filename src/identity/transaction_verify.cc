// verify of transaction_token.h.
#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/digest.h"
#include "identity/transaction_token.h"

namespace keepgate::identity {

namespace {

using crypto::Json;

constexpr crypto::JsonLimits payload_limits{.bytes_max = crypto::token_bytes_max, .depth_max = 16, .values_max = 4096};
constexpr std::size_t token_hash_digits = 16;

std::unexpected<Error> bad(std::string detail) {
  return fail(ErrorKind::refused, Blame::client, "bad_transaction_token", std::move(detail));
}
std::unexpected<Error> bad(const Error& error) { return bad(error.detail); }

Result<std::int64_t> required_date(const Json& payload, std::string_view claim) {
  const auto date = auth::numeric_date(payload, claim);
  if (!date) return bad(date.error());
  if (!*date) return bad(cat("no claim '", claim, "'"));
  return **date;
}

Result<std::string_view> required_text(const Json& payload, std::string_view claim) {
  const std::optional<std::string_view> text = payload.string_at(claim);
  if (!text || !auth::is_identity_text(*text)) return bad(cat("claim '", claim, "' is missing or not sound"));
  return *text;
}

// A minute's token needs no leeway at its end; at its start another host's clock may run a little ahead of ours.
Result<void> check_times(const Json& payload, Now now, VerifiedTransaction& verified) {
  const Result<std::int64_t> issued = required_date(payload, "iat"), expires = required_date(payload, "exp");
  if (!issued) return std::unexpected(issued.error());
  if (!expires) return std::unexpected(expires.error());
  if (*expires <= *issued || *expires - *issued > lifetime_s_max) return bad("a lifetime out of bounds");
  if (now.wall_ms >= *expires * 1000) return bad("expired");
  if (now.wall_ms < (*issued - clock_skew_s) * 1000) return bad("issued in the future");
  const auto not_before = auth::numeric_date(payload, "nbf", auth::Rounding::up);
  if (!not_before) return bad(not_before.error());
  if (*not_before && now.wall_ms < (**not_before - clock_skew_s) * 1000) return bad("not valid yet");
  verified.expires_s = *expires;
  return {};
}

Result<void> check_claims(const Json& payload, const TransactionOptions& options, VerifiedTransaction& verified) {
  const Result<std::string_view> audience = required_text(payload, "aud"), txn = required_text(payload, "txn"),
                                 asker = required_text(payload, "req_wl");
  for (const auto* claim : {&audience, &txn, &asker}) {
    if (!*claim) return std::unexpected(claim->error());
  }
  // INVARIANT: an empty trust domain never gets here equal: required_text refuses an empty `aud`.
  if (*audience != options.trust_domain) return bad("for another trust domain");
  if (payload.string_at("scope").value_or("").empty()) return bad("claim 'scope' is missing or empty");
  if (txn->size() > txn_bytes_max) return bad("claim 'txn' is too long");
  if (!options.from.empty() && std::find(options.from.begin(), options.from.end(), *asker) == options.from.end()) {
    return bad(cat("asked for by workload '", printable(*asker, 100), "', which is not among the allowed"));
  }
  verified.txn = *txn;
  return {};
}

Result<void> check_request(const Json* context, const RequestFacts& request) {
  if (context == nullptr) return bad("no tctx to bind the request to");
  const std::pair<std::string_view, std::string_view> facts[] = {
      {"service", request.service}, {"method", request.method}, {"path", request.path}};
  for (const auto& [name, value] : facts) {
    if (context->string_at(name) != value) return bad(cat("for another ", name));
  }
  return {};
}

// "" if absent.
Result<std::string> optional_name(const Json& context, std::string_view claim) {
  const Json* value = context.find(claim);
  if (value == nullptr) return std::string();
  if (value->string() == nullptr || !auth::is_identity_text(*value->string())) {
    return bad(cat("claim '", claim, "' may name nobody"));
  }
  return *value->string();
}

Result<void> read_context(const Json& context, auth::Principal& principal) {
  const std::pair<std::string_view, std::string*> names[] = {
      {"client_id", &principal.client}, {"client_service", &principal.service}, {"customer", &principal.user}};
  for (const auto& [claim, target] : names) {
    Result<std::string> name = optional_name(context, claim);
    if (!name) return std::unexpected(name.error());
    *target = std::move(*name);
  }
  auto roles = auth::identity_list(context, "roles", auth::ListKind::roles);
  if (!roles) return bad(roles.error());
  principal.roles = std::move(*roles);
  return {};
}

// What `sub` adds to tctx: another issuer may say in it alone who asks or for whom. Read as auth/jwt.h reads it.
Result<void> read_subject(std::string_view subject, auth::Principal& principal) {
  const bool names_user = subject.starts_with("user:"), names_client = subject.starts_with("client:"),
             names_service = subject.starts_with("service:");
  std::string_view name = subject;
  if (names_user || names_client || names_service) name.remove_prefix(subject.find(':') + 1);
  if (!auth::is_identity_text(name)) return bad("claim 'sub' may name nobody");
  if (!principal.user.empty()) {
    if (names_user && name != principal.user) return bad("'sub' and tctx name two customers");
  } else if (names_user) {
    principal.user = name;
  } else if (principal.client.empty() && principal.service.empty()) {
    (names_service ? principal.service : principal.client) = name;
  } else if (name != (names_service ? principal.service : principal.client)) {
    principal.user = subject;
  }
  return {};
}

Result<void> read_principal(const Json& payload, const Json* context, auth::Principal& principal) {
  principal.method = auth::AuthMethod::transaction_token;
  const Result<std::string_view> subject = required_text(payload, "sub");
  if (!subject) return std::unexpected(subject.error());
  if (context != nullptr) {
    if (Result<void> done = read_context(*context, principal); !done) return done;
  }
  if (Result<void> done = read_subject(*subject, principal); !done) return done;
  // A `scope` that only states the purpose grants nothing: then tctx lists the scopes there were, none (see mint).
  const bool purpose_only = context != nullptr && context->find("scopes") != nullptr;
  auto scopes =
      auth::identity_list(purpose_only ? *context : payload, purpose_only ? "scopes" : "scope", auth::ListKind::scopes);
  if (!scopes) return bad(scopes.error());
  principal.scopes = std::move(*scopes);
  return {};
}

// The payload of a token whose type and signature hold.
Result<Json> trusted_payload(std::string_view token, const crypto::KeySet& keys, std::string& key_id) {
  const Result<crypto::Jws> jws = crypto::parse_jws(token);
  if (!jws) return bad(jws.error());
  // The draft's §7 and RFC 8725 §3.11: exactly this type, so that no access token passes for one.
  if (jws->header.string_at("typ") != transaction_token_type) return bad("not of type txntoken+jwt");
  const auto key = crypto::verify_jws(*jws, keys);
  if (!key) return bad(key.error());
  key_id = (*key)->id().empty() ? jws->key_id : std::string_view((*key)->id());
  Result<Json> payload = crypto::parse_json(jws->payload, payload_limits);
  if (!payload) return bad(cat("the payload is not acceptable JSON: ", payload.error().detail));
  if (payload->object() == nullptr) return bad("the payload is not an object");
  return payload;
}

}  // namespace

Result<VerifiedTransaction> verify(std::string_view token, const RequestFacts& request,
                                   const TransactionOptions& options, Now now) {
  if (token.empty()) return bad("no token");
  if (options.keys == nullptr) return bad("no key set");
  VerifiedTransaction verified;
  Result<Json> payload = trusted_payload(token, *options.keys, verified.key_id);
  if (!payload) return std::unexpected(payload.error());
  if (Result<void> done = check_times(*payload, now, verified); !done) return std::unexpected(done.error());
  if (Result<void> done = check_claims(*payload, options, verified); !done) return std::unexpected(done.error());
  const Json* context = payload->find("tctx");
  if (context != nullptr && context->object() == nullptr) return bad("tctx is not an object");
  if (options.bind_request) {
    if (Result<void> done = check_request(context, request); !done) return std::unexpected(done.error());
  }
  if (Result<void> done = read_principal(*payload, context, verified.principal); !done) {
    return std::unexpected(done.error());
  }
  verified.token_hash = crypto::sha256_hex(token).substr(0, token_hash_digits);
  verified.payload = std::move(*payload);
  return verified;
}

}  // namespace keepgate::identity

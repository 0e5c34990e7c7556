#include "pipeline/decide.h"

#include <array>

#include "base/bytes.h"

namespace keepgate::pipeline {

namespace {

// One step of the access phase: nothing to say, or a refusal.
using Step = std::optional<Refusal>;

Refusal refuse(std::uint16_t status, std::string_view code, std::string reason) {
  Refusal out;
  out.status = status;
  out.code = code;
  out.reason = std::move(reason);
  return out;
}

// A quoted-string for a challenge: quotes and backslashes escaped, control bytes dropped (RFC 9110 §5.6.4).
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

// RFC 6750 §3: no error code when no credential was given.
Refusal unauthorized(const DecideInput& in, std::string_view error, std::string reason) {
  Refusal out = refuse(401, error.empty() ? "credentials_required" : error, std::move(reason));
  if (in.location.transaction.mode == identity::TransactionMode::require) {
    out.challenge = cat("Txn-Token realm=", quoted(in.location.transaction.trust_domain));
  } else {
    std::string_view realm = in.location.jwt.realm.evaluate(in.variables, in.arena);
    out.challenge = cat("Bearer realm=", quoted(realm));
  }
  if (!error.empty()) append(out.challenge, ", error=", quoted(error));
  return out;
}

Step check_path(const DecideInput& in) {
  if (!in.location.refuse_ambiguous_paths) return std::nullopt;
  const auto odd = static_cast<std::uint16_t>(in.ambiguities & ~in.location.allowed_ambiguities);
  if (odd == 0) return std::nullopt;
  return refuse(400, "ambiguous_path", cat("the path has ", http::describe_ambiguities(odd)));
}

identity::RequestFacts request_facts(const DecideInput& in, const DecisionFacts& facts) {
  return {in.location.service, in.method(), facts.service_path};
}

Step check_transaction_token(const DecideInput& in, DecisionFacts& facts) {
  const http::HeaderLine* found = nullptr;
  for (const http::HeaderLine& line : in.head.headers) {
    if (line.field != http::Field::txn_token) continue;
    if (found) return unauthorized(in, "invalid_token", "two Txn-Token fields");
    found = &line;
  }
  if (!found) return unauthorized(in, "", "no transaction token");
  auto verified = identity::verify(found->value, request_facts(in, facts), in.location.transaction, in.now);
  if (!verified) return unauthorized(in, "invalid_token", "transaction token: " + verified.error().detail);
  facts.transaction = std::move(*verified);
  facts.principal = &facts.transaction->principal;
  return std::nullopt;
}

// The text of the client's token; empty if there is none.
Result<std::string_view> token_text(const DecideInput& in) {
  if (in.location.jwt.token) return in.variables.variable(*in.location.jwt.token);
  const http::HeaderLine* found = nullptr;
  for (const http::HeaderLine& line : in.head.headers) {
    if (line.field != http::Field::authorization) continue;
    if (found) return fail(ErrorKind::refused, Blame::client, "invalid_token", "two Authorization fields");
    found = &line;
  }
  return found ? auth::bearer_token(found->value) : Result<std::string_view>(std::string_view());
}

Step check_jwt(const DecideInput& in, DecisionFacts& facts) {
  if (!in.location.jwt.keys) return refuse(503, "keys_unavailable", "the key set of this location cannot be used");
  const auto text = token_text(in);
  if (!text) return unauthorized(in, "invalid_token", text.error().detail);
  auth::AuthResult result = auth::authenticate_jwt(*text, in.location.jwt, in.now, in.token_cache);
  switch (result.verdict) {
    case auth::AuthVerdict::good:
      facts.token = std::move(result.token);
      facts.principal = &facts.token->principal;
      return std::nullopt;
    case auth::AuthVerdict::not_mine:
      return unauthorized(in, "", "no token");
    case auth::AuthVerdict::bad:
      break;
  }
  return unauthorized(in, "invalid_token", std::move(result.reason));
}

// auth_identity: the identity is what the operator's map says. Empty: nobody.
void take_identity_variable(const DecideInput& in, DecisionFacts& facts) {
  const std::string_view name = in.variables.variable(*in.location.identity_variable);
  if (name.empty()) return;
  auth::Principal principal;
  principal.method = auth::AuthMethod::variable;
  principal.client = std::string(name);
  facts.variable_principal = std::move(principal);
  facts.principal = &*facts.variable_principal;
}

Step authenticate(const DecideInput& in, DecisionFacts& facts) {
  if (in.location.transaction.mode == identity::TransactionMode::require) return check_transaction_token(in, facts);
  if (in.location.jwt.enabled) {
    if (Step refused = check_jwt(in, facts)) return refused;
  }
  if (!facts.principal && in.location.identity_variable) take_identity_variable(in, facts);
  return std::nullopt;
}

// auth_jwt_require: all values non-empty and not "0".
Step check_requirements(const DecideInput& in) {
  if (!in.location.jwt.enabled) return std::nullopt;
  for (const auth::JwtRequire& require : in.location.jwt.require) {
    for (const route::Template& value : require.values) {
      const std::string_view text = value.evaluate(in.variables, in.arena);
      if (!text.empty() && text != "0") continue;
      std::string reason = cat("auth_jwt_require ", value.text(), " is \"", printable(text), "\"");
      if (require.status == 403) return refuse(403, "requirement_failed", std::move(reason));
      return unauthorized(in, "invalid_token", std::move(reason));
    }
  }
  return std::nullopt;
}

Step authorize(const DecideInput& in, DecisionFacts& facts) {
  if (in.location.authorize == Authorize::off) return std::nullopt;
  if (in.location.policy) {
    facts.decision =
        in.location.policy->authorize({facts.principal, in.location.service, in.method(), facts.service_path});
    facts.policy_asked = true;
  }
  if (facts.decision.verdict == policy::Verdict::allow || in.location.authorize == Authorize::shadow) {
    return std::nullopt;
  }
  std::string reason = facts.decision.rule.empty() ? std::string(in.location.policy ? "no rule allows it" : "no policy")
                                                   : cat("rule ", facts.decision.rule, " forbids it");
  if (!facts.principal || !facts.principal->identified()) return unauthorized(in, "", std::move(reason));
  return refuse(403, "denied", std::move(reason));
}

Step consume_single_use(const DecideInput& in, DecisionFacts& facts) {
  if (!facts.transaction || !in.location.transaction.single_use || in.dry) return std::nullopt;
  if (!in.replay) return refuse(503, "replay_memory_unavailable", "no memory of used transaction tokens");
  switch (in.replay->consume(facts.transaction->txn, facts.transaction->expires_s, in.now.wall_s())) {
    case identity::ReplayStore::Use::first:
      return std::nullopt;
    case identity::ReplayStore::Use::replayed:
      return unauthorized(in, "invalid_token", cat("transaction token ", facts.transaction->txn, " was used before"));
    case identity::ReplayStore::Use::full:
      break;
  }
  return refuse(503, "replay_memory_full", "the memory of used transaction tokens is full");
}

// Limits on verified identity: after authorization, since only now is the key the caller's own.
Step check_identity_limits(const DecideInput& in, DecisionFacts& facts) {
  const std::vector<limit::Limit>& limits = in.location.identity_limits;
  if (limits.empty() || in.dry) return std::nullopt;
  std::array<std::string_view, limit::limits_max> keys;
  KG_ASSERT(limits.size() <= keys.size());
  for (std::size_t i = 0; i < limits.size(); ++i) keys[i] = limits[i].zone->key().evaluate(in.variables, in.arena);
  facts.identity_limit =
      limit::check_limits(limits, {keys.data(), limits.size()}, in.now.monotonic_ms, in.location.limit_dry_run);
  if (facts.identity_limit.status != limit::LimitStatus::rejected) return std::nullopt;
  return refusal_of(facts.identity_limit, in.location);
}

}  // namespace

std::string_view service_path_of(const LocationConfig& location, http::CanonicalPath path, Arena& arena) {
  if (!location.path_replacement || !path.text.starts_with(location.path_replacement->matched)) return path.text;
  if (location.path_replacement->query) return location.path_replacement->uri;
  const std::string_view rest = path.text.substr(location.path_replacement->matched.size());
  if (location.path_replacement->uri == location.path_replacement->matched) return path.text;
  return arena.join(location.path_replacement->uri, rest);
}

Refusal refusal_of(const limit::LimitOutcome& outcome, const LocationConfig& location) {
  Refusal out = refuse(location.limit_status, "too_many_requests", cat("limit_req zone ", outcome.zone));
  if (location.limit_headers) out.retry_after_s = (outcome.retry_after_ms + 999) / 1000;
  return out;
}

Decided decide(const DecideInput& input, DecisionFacts& facts) {
  facts.service_path = service_path_of(input.location, input.path, input.arena);

  Step refused = check_path(input);
  if (!refused) refused = authenticate(input, facts);
  if (!refused) refused = check_requirements(input);
  if (!refused) refused = authorize(input, facts);
  if (!refused) refused = consume_single_use(input, facts);
  if (!refused) refused = check_identity_limits(input, facts);
  if (refused) {
    facts.reason = refused->reason;
    return {std::nullopt, std::move(*refused)};
  }

  Permit permit;
  permit.principal_ = facts.principal;
  permit.service_path_ = facts.service_path;
  permit.forward_canonical_ = input.location.refuse_ambiguous_paths;
  permit.delay_ms_ = facts.identity_limit.status == limit::LimitStatus::delayed ? facts.identity_limit.delay_ms : 0;
  return {std::move(permit), {}};
}

}  // namespace keepgate::pipeline

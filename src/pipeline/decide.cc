#include "pipeline/decide.h"

#include <array>

#include "auth/challenge.h"
#include "auth/possession.h"
#include "auth/revocation_sources.h"
#include "auth/spiffe.h"
#include "base/bytes.h"

namespace keepgate::pipeline {

namespace {

auth::AuthInput auth_input(const DecideInput& in) {
  return {.options = in.location.auth,
          .head = in.head,
          .channel = in.channel,
          .variables = in.variables,
          .arena = in.arena,
          .now = in.now,
          .answers = in.answers,
          .token_cache = in.token_cache,
          .share = in.share,
          .method = in.method(),
          .passwords = in.passwords,
          .revocations = in.revocations};
}

// One step of the access phase: nothing to say, or a refusal.
using Step = std::optional<Refusal>;

Refusal refuse(std::uint16_t status, std::string_view code, std::string reason) {
  Refusal out;
  out.status = status;
  out.code = code;
  out.reason = std::move(reason);
  return out;
}

// RFC 6750 §3: no error code when no credential was given.
Refusal unauthorized(const DecideInput& in, std::string_view error, std::string reason) {
  Refusal out = refuse(401, error.empty() ? "credentials_required" : error, std::move(reason));
  out.challenge = in.location.transaction.mode == identity::TransactionMode::require
                      ? auth::challenge("Txn-Token", in.location.transaction.trust_domain, error)
                      : auth::challenges(auth_input(in), error);
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
  if (in.location.transaction.bind_caller) {
    const std::string_view asker = verified->payload.string_at("req_wl").value_or(std::string_view());
    if (!auth::certificate_names(in.channel.certificate, asker)) {
      return unauthorized(
          in, "invalid_token",
          cat("transaction token: asked for by ", printable(asker), ", whom the caller's certificate does not name"));
    }
  }
  if (in.revocations) {
    auth::RevocableNames names;
    names.principal = &verified->principal;
    names.take_transaction(verified->payload);
    names.token = verified->txn;
    names.token_key = verified->key_id;
    if (const std::optional<auth::Revocation> revocation = in.revocations->find(names, in.now)) {
      return unauthorized(in, "invalid_token", cat("transaction token: revoked: ", revocation->describe()));
    }
    if (!in.revocations->missing().empty()) {
      return refuse(503, "revocations_unavailable", cat("revocations are not known: ", in.revocations->missing()));
    }
  }
  facts.transaction = std::move(*verified);
  facts.principal = &facts.transaction->principal;
  return std::nullopt;
}

// Nothing to say, a refusal, or a need. A guard believes the transaction token alone, behind what allow and deny say.
Step authenticate(const DecideInput& in, DecisionFacts& facts, std::optional<auth::Need>& need) {
  if (in.location.transaction.mode == identity::TransactionMode::require) {
    if (in.location.auth.addresses.judge(in.channel.address) == auth::AddressVerdict::denied) {
      return refuse(403, "address_denied", "access forbidden by rule");
    }
    return check_transaction_token(in, facts);
  }
  if (in.is_subrequest) return std::nullopt;
  const bool policy_decides = in.location.policy && in.location.authorize != Authorize::off;
  auth::AccessResult result = auth::authenticate(auth_input(in), policy_decides);
  switch (result.access) {
    case auth::Access::accepted:
      facts.principal = result.principal;
      facts.principal_owner = std::move(result.owner);
      facts.token = std::move(result.token);
      facts.proof = std::move(result.proof);
      facts.signature = std::move(result.signature);
      return std::nullopt;
    case auth::Access::need:
      need = std::move(result.need);
      return std::nullopt;
    case auth::Access::refused:
      break;
  }
  Refusal out = refuse(result.status, result.code, std::move(result.reason));
  out.challenge = std::move(result.challenge);
  return out;
}

// All values non-empty and not "0".
Step check_each(const DecideInput& in, const std::vector<auth::Requirement>& requirements, std::string_view directive) {
  for (const auth::Requirement& require : requirements) {
    for (const route::Template& value : require.values) {
      const std::string_view text = value.evaluate(in.variables, in.arena);
      if (!text.empty() && text != "0") continue;
      std::string reason = cat(directive, ' ', value.text(), " is \"", printable(text), "\"");
      if (require.status == 401) return unauthorized(in, "invalid_token", std::move(reason));
      return refuse(require.status, "requirement_failed", std::move(reason));
    }
  }
  return std::nullopt;
}

// auth_jwt_require, where a token was verified, and auth_require.
Step check_requirements(const DecideInput& in, const DecisionFacts& facts) {
  Step refused;
  if (in.is_subrequest) return refused;
  if (facts.token) refused = check_each(in, in.location.auth.jwt.require, "auth_jwt_require");
  if (!refused) refused = check_each(in, in.location.requirements, "auth_require");
  return refused;
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
  if (in.is_subrequest) return refuse(500, "internal", cat("a subrequest is nobody's: ", reason));
  if (!facts.principal || !facts.principal->identified()) return unauthorized(in, "", std::move(reason));
  return refuse(403, "denied", std::move(reason));
}

// RFC 9449 §11.1: a DPoP proof passes once.
Step consume_proof(const DecideInput& in, const DecisionFacts& facts) {
  if (facts.proof.id.empty() || in.dry) return std::nullopt;
  if (in.used_proof && *in.used_proof == facts.proof.id) return std::nullopt;
  if (!in.proofs) return refuse(503, "replay_memory_unavailable", "no memory of used DPoP proofs");
  switch (in.proofs->consume(facts.proof.id, facts.proof.expires_s, in.now.wall_s())) {
    case identity::ReplayStore::Use::first:
      if (in.used_proof) *in.used_proof = facts.proof.id;
      return std::nullopt;
    case identity::ReplayStore::Use::replayed:
      return unauthorized(in, auth::dpop_error, "the DPoP proof was used before");
    case identity::ReplayStore::Use::full:
      break;
  }
  return refuse(503, "replay_memory_full", "the memory of used DPoP proofs is full");
}

// RFC 9421 §7.2.2: where a location says so, a signature passes once.
Step consume_signature(const DecideInput& in, const DecisionFacts& facts) {
  if (facts.signature.id.empty() || in.dry) return std::nullopt;
  if (in.used_signature && *in.used_signature == facts.signature.id) return std::nullopt;
  if (!in.signatures) return refuse(503, "replay_memory_unavailable", "no memory of used signatures");
  switch (in.signatures->consume(facts.signature.id, facts.signature.expires_s, in.now.wall_s())) {
    case identity::ReplayStore::Use::first:
      if (in.used_signature) *in.used_signature = facts.signature.id;
      return std::nullopt;
    case identity::ReplayStore::Use::replayed:
      return unauthorized(in, "invalid_signature", "the signature was used before");
    case identity::ReplayStore::Use::full:
      break;
  }
  return refuse(503, "replay_memory_full", "the memory of used signatures is full");
}

Step consume_single_use(const DecideInput& in, DecisionFacts& facts) {
  if (Step refused = consume_proof(in, facts)) return refused;
  if (Step refused = consume_signature(in, facts)) return refused;
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
  if (limits.empty() || in.dry || in.is_subrequest) return std::nullopt;
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
  facts.service_path = input.whole_path ? input.path.text : service_path_of(input.location, input.path, input.arena);

  Step refused = check_path(input);
  std::optional<auth::Need> need;
  if (!refused) refused = authenticate(input, facts, need);
  if (need) return {std::nullopt, std::move(need), {}};
  if (!refused) refused = check_requirements(input, facts);
  if (!refused) refused = authorize(input, facts);
  if (!refused) refused = consume_single_use(input, facts);
  if (!refused) refused = check_identity_limits(input, facts);
  if (refused) {
    facts.reason = refused->reason;
    return {std::nullopt, std::nullopt, std::move(*refused)};
  }

  Permit permit;
  permit.principal_ = facts.principal;
  permit.service_path_ = facts.service_path;
  permit.forward_canonical_ = input.location.refuse_ambiguous_paths;
  permit.delay_ms_ = facts.identity_limit.status == limit::LimitStatus::delayed ? facts.identity_limit.delay_ms : 0;
  return {std::move(permit), std::nullopt, {}};
}

}  // namespace keepgate::pipeline

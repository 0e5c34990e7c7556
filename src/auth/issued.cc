#include "auth/issued.h"

#include <algorithm>

#include "auth/claims.h"
#include "auth/token_kind.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

using crypto::Json;

constexpr unsigned generation_bits = 32;

// A cached token answers for what was demanded of it and for the keys that were published when it was verified. A
// verifier's number is small and a generation is never 0: this is no number of a verifier alone.
std::uint64_t cache_id(const JwtOptions& options, std::uint64_t generation) {
  return options.verifier_id | generation << generation_bits;
}

std::shared_ptr<const VerifiedToken> find_cached(std::string_view token, const JwtOptions& options, Now now,
                                                 TokenCache& cache) {
  for (const AcceptedIssuer& accepted : options.issuers) {
    const std::uint64_t generation = accepted.issuer->generation(now);
    if (generation == 0) continue;
    if (auto known = cache.find(token, cache_id(options, generation), now)) return known;
  }
  return nullptr;
}

// RFC 7519 §4.1.1. An array or another type is no issuer.
const AcceptedIssuer* find_issuer(const crypto::Jws& jws, const JwtOptions& options) {
  const Result<Json> payload = crypto::parse_json(jws.payload, payload_limits);
  if (!payload) return nullptr;
  const auto issuer = payload->string_at("iss");
  if (!issuer) return nullptr;
  const auto found = std::ranges::find_if(
      options.issuers, [&](const AcceptedIssuer& one) { return one.issuer->options().issuer == *issuer; });
  return found == options.issuers.end() ? nullptr : &*found;
}

// The keys there are do not do: are there newer ones?
// `generation`: of the keys that there were; 0: none.
AuthResult without_key(const AcceptedIssuer& accepted, std::uint64_t generation, std::string reason, Now now,
                       const Answers* answers) {
  const std::shared_ptr<const Issuer>& issuer = accepted.issuer;
  const std::string& name = issuer->options().issuer;
  const Answer* answer = answers ? answers->find(NeedKind::issuer_keys, name) : nullptr;
  if (answer && !answer->is_good) {
    return AuthResult::is_unavailable(cat("no newer keys of the issuer ", name, ": ", answer->reason));
  }
  if (!answer) {
    switch (issuer->news(now)) {
      case Issuer::News::possible:
        return AuthResult::needs({NeedKind::issuer_keys, name, std::make_shared<IssuerNeed>(issuer)});
      case Issuer::News::unknown:
        return AuthResult::is_unavailable(cat("the issuer ", name, " cannot be asked for its keys"));
      case Issuer::News::none:
        break;
    }
  }
  // They came while these were looked at: with them, everything is another question.
  if (issuer->generation(now) != generation) return AuthResult::needs({NeedKind::turn, {}, nullptr});
  if (generation == 0) return AuthResult::is_unavailable(cat("there are no keys of the issuer ", name));
  return AuthResult::is_bad(std::move(reason));
}

bool names_type(std::string_view type, std::string_view name) {
  return equals_ignoring_case(type, name) || equals_ignoring_case(type, cat("application/", name));
}

Result<void> check_kind(const VerifiedToken& token, const AcceptedIssuer& accepted) {
  const Json* type = token.header.find("typ");
  if (type != nullptr && type->string() == nullptr) return bad_token("typ is not a string");
  if (type != nullptr && names_type(*type->string(), "at+jwt")) return {};
  if (type != nullptr && !names_type(*type->string(), "jwt")) {
    return bad_token(cat("typ ", printable(*type->string(), 60), " is no access token"));
  }
  if (accepted.only_access_tokens) return bad_token("typ is not at+jwt");
  return check_claims_of_access_token(token.payload);
}

}  // namespace

Result<void> check_issued(const VerifiedToken& token, const AcceptedIssuer& accepted) {
  if (token.payload.string_at("iss") != accepted.issuer->options().issuer) return bad_token("another issuer");
  if (token.payload.find("exp") == nullptr) return bad_token("no exp");
  if (!accepted.audiences.empty() && !is_for_one_of(token.payload.find("aud"), accepted.audiences)) {
    return bad_token("the token is for another audience");
  }
  return check_kind(token, accepted);
}

AuthResult authenticate_issued(std::string_view token, const JwtOptions& options, Now now, TokenCache* cache,
                               TurnShare* share, const Answers* answers) {
  if (!options.enabled || token.empty()) return AuthResult::is_not_mine();
  if (cache != nullptr) {
    if (auto known = find_cached(token, options, now, *cache)) return good_token(std::move(known));
  }
  const Result<crypto::Jws> jws = crypto::parse_jws(token);
  if (!jws) return AuthResult::is_bad(jws.error().detail);
  const AcceptedIssuer* accepted = find_issuer(*jws, options);
  if (accepted == nullptr) {
    if (options.requested) return authenticate_requested(token, options, now, cache, share, answers);
    if (!options.keys) return AuthResult::is_bad("the token is of no issuer that is accepted here");
    return authenticate_jwt(token, options, now, cache, share);
  }
  if (!accepted->accepts(jws->algorithm)) {
    return AuthResult::is_bad(cat("algorithm ", crypto::name_of(jws->algorithm), " is not accepted of this issuer"));
  }
  const std::shared_ptr<const IssuerKeys> keys = accepted->issuer->keys(now);
  if (!keys) return without_key(*accepted, 0, {}, now, answers);
  if (share != nullptr && !share->take()) return AuthResult::needs({NeedKind::turn, {}, nullptr});
  auto verified = verify_jwt(token, options, *keys->set, now);
  if (!verified) {
    if (verified.error().code != "unknown_key") return AuthResult::is_bad(std::move(verified.error().detail));
    return without_key(*accepted, keys->generation, std::move(verified.error().detail), now, answers);
  }
  if (const auto checked = check_issued(**verified, *accepted); !checked)
    return AuthResult::is_bad(checked.error().detail);
  if (cache != nullptr) cache->insert(token, cache_id(options, keys->generation), *verified);
  return good_token(std::move(*verified));
}

}  // namespace keepgate::auth

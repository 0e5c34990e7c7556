#include "auth/jwt.h"

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"

namespace keepgate::auth {

namespace {

using crypto::Json;

constexpr std::size_t token_hash_digits = 16;

// RFC 7519 §4.1.4, §4.1.5. Times are kept with the leeway in them, so that a cached token is judged like a fresh one.
Result<void> read_times(VerifiedToken& token, std::int64_t leeway_s, Now now) {
  const auto expires = numeric_date(token.payload, "exp");
  if (!expires) return std::unexpected(expires.error());
  const auto not_before = numeric_date(token.payload, "nbf", Rounding::up);
  if (!not_before) return std::unexpected(not_before.error());
  if (const auto issued = numeric_date(token.payload, "iat"); !issued) return std::unexpected(issued.error());
  if (*expires) {
    token.expires_s = **expires + leeway_s;
    if (token.expires_s <= 0 || now.wall_ms >= token.expires_s * 1000) return bad_token("expired");
  }
  if (*not_before && **not_before - leeway_s > 0) {
    token.not_before_s = **not_before - leeway_s;
    if (now.wall_ms < token.not_before_s * 1000) return bad_token("not valid yet");
  }
  return {};
}

// RFC 7800 §3.1, RFC 9449 §6.1. A confirmation that cannot be read refuses: else its token would pass unbound.
Result<void> read_confirmation(VerifiedToken& token) {
  const Json* confirmation = token.payload.find("cnf");
  if (confirmation == nullptr) return {};
  if (confirmation->object() == nullptr) return bad_token("claim 'cnf' is not an object");
  if (confirmation->find("jkt") == nullptr) return {};
  const std::optional<std::string_view> thumbprint = confirmation->string_at("jkt");
  const std::optional<std::string> bytes = thumbprint ? crypto::base64url_decode(*thumbprint) : std::nullopt;
  if (!bytes || bytes->size() != 32) return bad_token("cnf.jkt is no SHA-256 thumbprint");
  token.bound_key = *thumbprint;
  return {};
}

bool is_scalar(const Json& value) { return value.array() == nullptr && value.object() == nullptr; }

void append_scalar(std::string& out, const Json& value) {
  if (const std::string* text = value.string()) {
    out += *text;
  } else {
    value.write_to(out);
  }
}

// The first claim of `names` that is present.
const Json* first_present(const Json& payload, const std::vector<std::string>& names, std::string_view& found) {
  for (const std::string& name : names) {
    if (const Json* value = payload.find(name)) {
      found = name;
      return value;
    }
  }
  return nullptr;
}

// "" if none of the claims is there.
Result<std::string_view> read_name(const Json& payload, const std::vector<std::string>& names,
                                   std::string_view& found) {
  const Json* value = first_present(payload, names, found);
  if (value == nullptr) return std::string_view();
  if (value->string() == nullptr || !is_identity_text(*value->string())) {
    return bad_token(cat("claim '", printable(found, 60), "' may name nobody"));
  }
  return std::string_view(*value->string());
}

Result<std::vector<std::string>> read_list(const Json& payload, const std::vector<std::string>& names, ListKind kind) {
  std::string_view found;
  if (first_present(payload, names, found) == nullptr) return std::vector<std::string>();
  return identity_list(payload, found, kind);
}

// The table in jwt.h. The namespaces are those of our authorization server.
Result<void> apply_subject(Principal& principal, std::string_view subject) {
  const bool names_client = subject.starts_with("client:"), names_user = subject.starts_with("user:");
  std::string_view name = subject;
  if (names_client || names_user) name.remove_prefix(subject.find(':') + 1);
  if (!is_identity_text(name)) return bad_token("claim 'sub' may name nobody");
  if (principal.client.empty()) {
    (names_user ? principal.user : principal.client) = name;
  } else if (names_user) {
    principal.user = name;
  } else if (name != principal.client) {
    principal.user = subject;
  }
  return {};
}

}  // namespace

namespace {

std::string text_of(const Json* value) {
  std::string out;
  if (value == nullptr) return out;
  const Json::Array* elements = value->array();
  if (elements == nullptr) {
    if (is_scalar(*value)) append_scalar(out, *value);
    return out;
  }
  for (const Json& element : *elements) {
    if (!is_scalar(element)) return out;
  }
  for (const Json& element : *elements) {
    if (&element != elements->data()) out.push_back(',');
    append_scalar(out, element);
  }
  return out;
}

}  // namespace

std::string claim_text(const Json& payload, std::string_view name) { return text_of(payload.find(name)); }

std::string claim_text_at(const Json& payload, std::string_view path, char separator) {
  const Json* value = &payload;
  while (value != nullptr) {
    const std::size_t end = path.find(separator);
    value = value->find(path.substr(0, end));
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return text_of(value);
}

Result<Principal> read_principal(const Json& payload, const IdentityClaims& claims, AuthMethod method) {
  Principal principal;
  principal.method = method;
  std::string_view found;
  const Result<std::string_view> client = read_name(payload, claims.client, found);
  if (!client) return std::unexpected(client.error());
  principal.client = *client;
  const Result<std::string_view> user = read_name(payload, claims.user, found);
  if (!user) return std::unexpected(user.error());
  if (!user->empty() && found == "sub") {
    if (Result<void> done = apply_subject(principal, *user); !done) return std::unexpected(done.error());
  } else if (*user != principal.client) {
    principal.user = *user;
  }
  Result<std::vector<std::string>> roles = read_list(payload, claims.roles, ListKind::roles);
  if (!roles) return std::unexpected(roles.error());
  principal.roles = std::move(*roles);
  Result<std::vector<std::string>> scopes = read_list(payload, claims.scopes, ListKind::scopes);
  if (!scopes) return std::unexpected(scopes.error());
  principal.scopes = std::move(*scopes);
  // OpenID Connect Core §2 `acr`. Nothing is granted by it, so one that cannot be shown is no reason to refuse.
  const auto assurance = payload.string_at("acr");
  if (assurance && is_identity_text(*assurance)) principal.assurance = *assurance;
  return principal;
}

Principal principal_of(const Json& payload, const IdentityClaims& claims, AuthMethod method) {
  Result<Principal> principal = read_principal(payload, claims, method);
  return principal ? std::move(*principal) : Principal();
}

Result<void> read_claims(VerifiedToken& token, std::int64_t leeway_s, const IdentityClaims& claims, AuthMethod method,
                         Now now) {
  if (Result<void> done = read_times(token, leeway_s, now); !done) return done;
  if (Result<void> done = read_confirmation(token); !done) return done;
  Result<Principal> principal = read_principal(token.payload, claims, method);
  if (!principal) return std::unexpected(principal.error());
  token.principal = std::move(*principal);
  return {};
}

std::string short_hash(std::string_view token) { return crypto::sha256_hex(token).substr(0, token_hash_digits); }

Result<std::shared_ptr<const VerifiedToken>> verify_jwt(std::string_view token, const JwtOptions& options, Now now) {
  if (options.keys == nullptr) return fail(ErrorKind::configuration, Blame::configuration, "no_keys", "no key set");
  return verify_jwt(token, options, *options.keys, now);
}

Result<std::shared_ptr<const VerifiedToken>> verify_jwt(std::string_view token, const JwtOptions& options,
                                                        const crypto::KeySet& keys, Now now) {
  Result<OpenedToken> opened = open_jwt(token, options.form, keys);
  if (!opened) return std::unexpected(opened.error());

  // INVARIANT: nothing of the payload is looked at before every layer has held.
  Result<Json> payload = crypto::parse_json(opened->payload, payload_limits);
  if (!payload) return bad_token(cat("the payload is not acceptable JSON: ", payload.error().detail));
  if (payload->object() == nullptr) return bad_token("the payload is not an object");
  auto verified = std::make_shared<VerifiedToken>();
  verified->payload = std::move(*payload);
  const Result<void> read = read_claims(*verified, options.leeway_s, options.claims, AuthMethod::jwt, now);
  if (!read) return std::unexpected(read.error());
  verified->header_text = std::move(opened->header_text);
  verified->payload_text = std::move(opened->payload);
  verified->header = std::move(opened->header);
  verified->enclosed = std::move(opened->enclosed);
  verified->key_id = std::move(opened->key_id);
  verified->token_hash = short_hash(token);
  return verified;
}

AuthResult good_token(std::shared_ptr<const VerifiedToken> token) {
  AuthResult out;
  out.verdict = AuthVerdict::good;
  out.principal = &token->principal;
  out.owner = token;
  out.token = std::move(token);
  return out;
}

AuthResult authenticate_jwt(std::string_view token, const JwtOptions& options, Now now, TokenCache* cache,
                            TurnShare* share) {
  if (!options.enabled || token.empty()) return AuthResult::is_not_mine();
  if (cache != nullptr) {
    if (auto known = cache->find(token, options.verifier_id, now)) return good_token(std::move(known));
  }
  if (share != nullptr && !share->take()) return AuthResult::needs({NeedKind::turn, {}, nullptr});
  Result<std::shared_ptr<const VerifiedToken>> verified = verify_jwt(token, options, now);
  if (!verified) return AuthResult::is_bad(std::move(verified.error().detail));
  if (cache != nullptr) cache->insert(token, options.verifier_id, *verified);
  return good_token(std::move(*verified));
}

}  // namespace keepgate::auth

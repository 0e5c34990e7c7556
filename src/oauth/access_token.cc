#include "oauth/access_token.h"

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/jws.h"
#include "crypto/random.h"
#include "crypto/running_digest.h"
#include "oauth/grant_records.h"
#include "oauth/service.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t claims_bytes_expected = 512;

// Writes one JSON object; names are literals, or of claims that a configuration may name.
class ClaimWriter {
 public:
  ClaimWriter() { out_.reserve(claims_bytes_expected); }
  void text(std::string_view name, std::string_view value) {
    key(name);
    out_ += '"';
    append_json_escaped(out_, value);
    out_ += '"';
  }
  void text_if_any(std::string_view name, std::string_view value) {
    if (!value.empty()) text(name, value);
  }
  void number(std::string_view name, std::int64_t value) {
    key(name);
    append(out_, value);
  }
  void words_if_any(std::string_view name, const std::vector<std::string>& words) {
    if (words.empty()) return;
    key(name);
    char before = '"';
    for (const std::string& one : words) {
      out_ += before;
      append_json_escaped(out_, one);
      before = ' ';
    }
    out_ += '"';
  }
  void texts_if_any(std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    key(name);
    char before = '[';
    for (const std::string& one : values) {
      append(out_, before, '"');
      append_json_escaped(out_, one);
      out_ += '"';
      before = ',';
    }
    out_ += ']';
  }
  void json_if_any(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    out_ += value;
  }
  std::string finish() {
    out_ += '}';
    return std::move(out_);
  }

 private:
  void key(std::string_view name) {
    out_ += out_.empty() ? "{\"" : ",\"";
    append_json_escaped(out_, name);
    out_ += "\":";
  }
  std::string out_;
};

Result<std::string> sign(std::string SigningKey::* header, std::string_view payload, const SigningKey* signer) {
  if (!signer || (signer->*header).empty()) {
    return fail(ErrorKind::internal, Blame::us, "no_key", "there is no key to sign with");
  }
  return crypto::sign_encoded(signer->*header, payload, *signer->key);
}

std::string confirmation(const TokenFacts& facts) {
  if (!facts.bound_key.empty()) return cat(R"({"jkt":")", facts.bound_key, "\"}");
  if (!facts.bound_certificate.empty()) return cat(R"({"x5t#S256":")", facts.bound_certificate, "\"}");
  return {};
}

// OpenID Connect Core §3.1.3.6: by the hash of the key's algorithm; of Ed25519 that is SHA-512 (RFC 8032 §5.1).
std::string half_hash(std::string_view token, const SigningKey* signer) {
  if (!signer) return {};
  switch (signer->key->algorithm()) {
    case crypto::Algorithm::es256:
    case crypto::Algorithm::rs256: {
      const auto sum = crypto::sha256(token);
      return crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size() / 2});
    }
    case crypto::Algorithm::eddsa: {
      crypto::RunningDigest digest(crypto::DigestKind::sha512);
      digest.add(token);
      const std::string sum = digest.finish();
      return crypto::base64url_encode(std::string_view(sum).substr(0, sum.size() / 2));
    }
    default:
      return {};
  }
}

Result<OwnToken> read_own(std::string_view token, std::string_view type, const Settings& settings,
                          const KeyRing& keys) {
  const auto jws = crypto::parse_jws(token);
  if (!jws) return std::unexpected(jws.error());
  const auto typ = jws->header.string_at("typ");
  if (!typ || *typ != type) return auth::bad_token("typ is of another kind of token");
  const auto key = crypto::verify_jws(*jws, keys.for_verification());
  if (!key) return std::unexpected(key.error());
  auto payload = crypto::parse_json(jws->payload, auth::payload_limits);
  if (!payload || !payload->object()) return auth::bad_token("its claims are no JSON object");
  if (payload->string_at("iss") != settings.issuer) return auth::bad_token("it is of another issuer");
  return OwnToken{std::move(*payload), (*key)->id()};
}

}  // namespace

std::int64_t OwnToken::number(std::string_view claim) const {
  const crypto::Json* value = payload.find(claim);
  return value && value->integer() ? *value->integer() : 0;
}

Result<IssuedToken> mint_access_token(const TokenFacts& facts, const Settings& settings, const KeyRing& keys, Now now) {
  IssuedToken out;
  out.id = crypto::random_id();
  ClaimWriter claims;
  claims.text("iss", settings.issuer);
  claims.text("sub", facts.subject);
  claims.text("aud", facts.audience);
  claims.text("client_id", facts.client);
  claims.number("iat", facts.issued_s);
  claims.number("exp", facts.expires_s);
  claims.text("jti", out.id);
  claims.words_if_any("scope", facts.scopes);
  claims.texts_if_any("roles", facts.roles);
  if (facts.authenticated_s > 0) claims.number("auth_time", facts.authenticated_s);
  claims.texts_if_any("amr", facts.methods);
  claims.text_if_any("grant_id", facts.grant);
  claims.json_if_any("act", facts.actor);
  claims.json_if_any("cnf", confirmation(facts));
  for (const auto& [name, value] : facts.claims) {
    if (!is_reserved_claim(name)) claims.text(name, value);
  }
  auto token = sign(&SigningKey::access_token_header, claims.finish(), keys.current(now));
  if (!token) return std::unexpected(token.error());
  out.token = std::move(*token);
  return out;
}

Result<std::string> mint_id_token(const IdTokenFacts& facts, const Settings& settings, const KeyRing& keys, Now now) {
  ClaimWriter claims;
  claims.text("iss", settings.issuer);
  claims.text("sub", facts.subject);
  claims.text("aud", facts.client);
  claims.number("iat", facts.issued_s);
  claims.number("exp", facts.issued_s + settings.id_token_lifetime_s);
  claims.number("auth_time", facts.authenticated_s);
  claims.texts_if_any("amr", facts.methods);
  claims.text_if_any("nonce", facts.nonce);
  claims.text_if_any("sid", facts.session);
  const SigningKey* const signer = keys.current(now);
  claims.text_if_any("at_hash", half_hash(facts.access_token, signer));
  return sign(&SigningKey::id_token_header, claims.finish(), signer);
}

Result<OwnToken> read_access_token(std::string_view token, const Settings& settings, const KeyRing& keys, Now now) {
  auto out = read_own(token, access_token_type, settings, keys);
  if (out && out->number("exp") <= now.wall_s()) return auth::bad_token("it has expired");
  return out;
}

Result<OwnToken> read_id_token_hint(std::string_view token, const Settings& settings, const State& state, Now now) {
  auto out = read_own(token, id_token_type, settings, *state.keys);
  if (!out) return out;
  auth::RevocableNames key;
  key.token_key = out->key_id;
  const bool is_known = state.revocations && state.revocations->list;
  if (!is_known || state.revocations->list->find(key, now)) return auth::bad_token("its key is revoked");
  return out;
}

bool is_revoked(const OwnToken& token, const State& state, Now now) {
  if (!state.revocations || !state.revocations->list) return true;  // Nobody knows: no.
  auth::RevocableNames names;
  names.take_claims(token.payload);
  auth::Principal client;
  client.client = token.text("client_id");
  names.principal = &client;
  names.token_key = token.key_id;
  return state.revocations->list->find(names, now).has_value();
}

}  // namespace keepgate::oauth

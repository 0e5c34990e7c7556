#include "auth/dpop.h"

#include "auth/claims.h"
#include "base/bytes.h"
#include "base/percent.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/jws.h"

namespace keepgate::auth {

namespace {

using crypto::Json;

constexpr crypto::JsonLimits proof_limits{.bytes_max = proof_bytes_max, .depth_max = 8, .values_max = 256};

std::unexpected<Error> bad_proof(std::string_view detail) {
  return fail(ErrorKind::refused, Blame::client, "invalid_dpop_proof", cat("DPoP proof: ", detail));
}

// RFC 9449 §4.3 step 5: asymmetric. A secret in a header would be everybody's.
bool is_asymmetric(crypto::Algorithm algorithm) {
  switch (algorithm) {
    case crypto::Algorithm::none:
    case crypto::Algorithm::hs256:
    case crypto::Algorithm::hs384:
    case crypto::Algorithm::hs512:
      return false;
    default:
      return true;
  }
}

// RFC 9449 §4.3 steps 6 and 7: the key in the header, without a private half, verifies. What else the JWK says of
// itself must agree with the algorithm.
Result<std::string> verify_signature(const crypto::Jws& jws) {
  const Json& jwk = *jws.header.find("jwk");
  for (const std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (jwk.find(name) != nullptr) return bad_proof("the key in its header is not a public one");
  }
  const std::string_view algorithm = crypto::name_of(jws.algorithm);
  if (jwk.find("alg") != nullptr && jwk.string_at("alg") != algorithm) return bad_proof("its key is for another alg");
  if (jwk.find("use") != nullptr && jwk.string_at("use") != "sig") return bad_proof("its key is not for signatures");
  Json::Object members;
  for (const std::string_view name : {"kty", "crv", "x", "y", "n", "e"}) {
    if (const Json* member = jwk.find(name)) members.emplace_back(std::string(name), *member);
  }
  members.emplace_back("alg", Json(std::string(algorithm)));
  Result<std::shared_ptr<const crypto::Key>> key = crypto::parse_jwk(Json(std::move(members)).write());
  if (!key) return bad_proof(cat("its key is refused: ", key.error().detail));
  crypto::KeySet keys;
  keys.keys.push_back(std::move(*key));
  if (const auto good = crypto::verify_jws(jws, keys); !good) return bad_proof(good.error().detail);
  Result<std::string> thumbprint = crypto::thumbprint(jwk);
  if (!thumbprint) return bad_proof(thumbprint.error().detail);
  return thumbprint;
}

std::string hash_of(std::string_view token) {
  const std::array<unsigned char, 32> sum = crypto::sha256(token);
  return crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()});
}

// Steps 8 to 11: method, URL, time, and the token it goes with.
Result<std::int64_t> check_claims(const Json& claims, const ProofSubject& subject, Now now) {
  if (claims.string_at("htm") != subject.method) return bad_proof("it is for another method (htm)");
  const std::optional<std::string_view> url = claims.string_at("htu");
  if (!url || !names_same_url(*url, subject.tls, subject.authority, subject.path)) {
    return bad_proof("it is for another URL (htu)");
  }
  const auto issued = numeric_date(claims, "iat");
  if (!issued || !*issued) return bad_proof("iat is missing or no time");
  if (**issued > now.wall_s() + proof_future_max_s) return bad_proof("iat lies ahead");
  if (**issued < now.wall_s() - proof_age_max_s) return bad_proof("iat lies too far back");
  const std::optional<std::string_view> hash = claims.string_at("ath");
  if (subject.asks_for_token) return **issued;
  if (!hash || !crypto::equal_constant_time(*hash, hash_of(subject.token))) {
    return bad_proof("it is for another token (ath)");
  }
  return **issued;
}

bool is_unreserved(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos;
}

// RFC 3986 §6.2.2: escapes in upper case, and none where none is needed.
std::string one_spelling(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int byte = percent_byte(path, i);
    if (byte < 0) {
      out.push_back(path[i]);
      continue;
    }
    if (is_unreserved(static_cast<char>(byte))) {
      out.push_back(static_cast<char>(byte));
    } else {
      constexpr std::string_view digits = "0123456789ABCDEF";
      out.push_back('%');
      out.push_back(digits[static_cast<std::size_t>(byte >> 4)]);
      out.push_back(digits[static_cast<std::size_t>(byte & 15)]);
    }
    i += 2;
  }
  return out.empty() ? "/" : out;
}

std::string_view without_default_port(std::string_view authority, bool tls) {
  const std::string_view port = tls ? ":443" : ":80";
  if (authority.ends_with(port)) authority.remove_suffix(port.size());
  if (authority.ends_with(':')) authority.remove_suffix(1);
  return authority;
}

}  // namespace

bool names_same_url(std::string_view htu, bool tls, std::string_view authority, std::string_view path) {
  const std::string_view scheme = tls ? "https://" : "http://";
  if (authority.empty() || !equals_ignoring_case(htu.substr(0, scheme.size()), scheme)) return false;
  htu.remove_prefix(scheme.size());
  htu = htu.substr(0, htu.find_first_of("?#"));
  const std::size_t slash = htu.find('/');
  const std::string_view host = htu.substr(0, slash);
  const std::string_view rest = slash == std::string_view::npos ? std::string_view() : htu.substr(slash);
  return equals_ignoring_case(without_default_port(host, tls), without_default_port(authority, tls)) &&
         one_spelling(rest) == one_spelling(path);
}

Result<ProvenKey> verify_dpop(std::string_view proof, const ProofSubject& subject, Now now) {
  if (proof.size() > proof_bytes_max) return bad_proof("longer than 4 KiB");
  const Result<crypto::Jws> jws = crypto::parse_jws(proof, crypto::HeaderRule::with_key);
  if (!jws) return bad_proof(jws.error().detail);
  if (jws->header.string_at("typ") != "dpop+jwt") return bad_proof("typ is not dpop+jwt");
  if (!is_asymmetric(jws->algorithm)) return bad_proof("alg is not asymmetric");
  Result<std::string> thumbprint = verify_signature(*jws);
  if (!thumbprint) return std::unexpected(thumbprint.error());

  const Result<Json> claims = crypto::parse_json(jws->payload, proof_limits);
  if (!claims || claims->object() == nullptr) return bad_proof("its claims are no acceptable JSON object");
  const Result<std::int64_t> issued_s = check_claims(*claims, subject, now);
  if (!issued_s) return std::unexpected(issued_s.error());
  const std::optional<std::string_view> id = claims->string_at("jti");
  if (!id || id->empty() || id->size() > proof_id_bytes_max) return bad_proof("jti is missing, empty or too long");
  ProvenKey proven;
  proven.id = cat(*thumbprint, '.', *id);
  proven.thumbprint = std::move(*thumbprint);
  proven.nonce = claims->string_at("nonce").value_or("");
  // INVARIANT: behind this time check_claims refuses it by its age, so nobody has to remember it longer.
  proven.expires_s = *issued_s + proof_age_max_s + 1;
  return proven;
}

}  // namespace keepgate::auth

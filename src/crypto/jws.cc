#include "crypto/jws.h"

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/jose_header.h"
#include "crypto/signature.h"

namespace keepgate::crypto {

namespace {

constexpr std::size_t signature_bytes_expected = 64;  // Of ES256 and EdDSA; others make the token grow once more.

struct JwsParts {
  std::string_view header, payload, signature, signed_part;
};

Result<JwsParts> split_jws(std::string_view token) {
  if (token.size() > token_bytes_max) return bad_jose("longer than 16 KiB");
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return bad_jose("not three parts");
  }
  return JwsParts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
                  token.substr(0, second)};
}

Result<void> read_header(Jws& jws, HeaderRule rule) {
  Result<Json> header = read_jose_header(jws.header_text, rule);
  if (!header) return std::unexpected(header.error());
  jws.header = std::move(*header);
  const Result<std::string_view> algorithm = required_text(jws.header, "alg");
  if (!algorithm) return std::unexpected(algorithm.error());
  jws.algorithm = algorithm_named(*algorithm);
  if (jws.algorithm == Algorithm::none) return bad_jose(cat("alg '", printable(*algorithm, 20), "' is not accepted"));
  jws.key_id = jws.header.string_at("kid").value_or(std::string_view());
  return {};
}

bool fits(const Key& key, const Jws& jws, bool names_key) {
  if (key.algorithm() != jws.algorithm) return false;
  return !names_key || key.id().empty() || key.id() == jws.key_id;
}

}  // namespace

Result<Jws> parse_jws(std::string_view token, HeaderRule rule) {
  const Result<JwsParts> parts = split_jws(token);
  if (!parts) return std::unexpected(parts.error());
  std::optional<std::string> header = base64url_decode(parts->header);
  if (!header) return bad_jose("the header is not base64url");
  std::optional<std::string> payload = base64url_decode(parts->payload);
  if (!payload) return bad_jose("the payload is not base64url");
  std::optional<std::string> signature = base64url_decode(parts->signature);
  if (!signature) return bad_jose("the signature is not base64url");
  if (signature->empty()) return bad_jose("the signature is empty");
  Jws jws;
  jws.header_text = std::move(*header);
  jws.payload = std::move(*payload);
  jws.signature = std::move(*signature);
  jws.signed_part = parts->signed_part;
  if (Result<void> done = read_header(jws, rule); !done) return std::unexpected(done.error());
  return jws;
}

Result<const Key*> verify_jws(const Jws& jws, const KeySet& keys) {
  // RFC 8725 §3.1: the key says which algorithm; the header may only agree.
  const bool names_key = jws.header.find("kid") != nullptr;
  std::size_t attempts = 0;
  for (const std::shared_ptr<const Key>& key : keys.keys) {
    if (!fits(*key, jws, names_key)) continue;
    if (++attempts > verify_attempts_max) break;
    if (signature_is_valid(*key, jws.signed_part, jws.signature)) return key.get();
  }
  const std::string which = names_key ? cat("kid '", printable(jws.key_id, 60), "'") : std::string("no kid");
  if (attempts == 0) {
    return fail(ErrorKind::refused, Blame::client, "unknown_key",
                cat("no ", name_of(jws.algorithm), " key for a token with ", which));
  }
  return fail(ErrorKind::refused, Blame::client, "bad_signature",
              cat("the signature fits none of ", attempts, " keys for a token with ", which));
}

Result<std::string> encode_jws_header(std::string_view header_json, const Key& key) {
  const Result<Json> header = parse_json(header_json, header_limits);
  if (!header || header->string_at("alg") != name_of(key.algorithm())) {
    return fail(ErrorKind::internal, Blame::us, "cannot_sign", "the header does not name the key's algorithm");
  }
  return base64url_encode(header_json) + '.';
}

Result<std::string> sign_encoded(std::string_view encoded_header, std::string_view payload, const Key& key) {
  std::string token;
  token.reserve(encoded_header.size() + (payload.size() + signature_bytes_expected) * 4 / 3 + 4);
  token.append(encoded_header);
  append_base64url(token, payload);
  const std::optional<std::string> signature = make_signature(key, token);
  if (!signature) return fail(ErrorKind::internal, Blame::us, "cannot_sign", "the key cannot sign");
  token += '.';
  append_base64url(token, *signature);
  return token;
}

Result<std::string> sign_jws(std::string_view header_json, std::string_view payload, const Key& key) {
  const auto header = encode_jws_header(header_json, key);
  if (!header) return std::unexpected(header.error());
  return sign_encoded(*header, payload, key);
}

}  // namespace keepgate::crypto

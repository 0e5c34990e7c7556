#include "auth/jwt_open.h"

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/jwe.h"
#include "crypto/jws.h"

namespace keepgate::auth {

namespace {

using crypto::Json;

// RFC 7515 §4.1.9 lets "application/" be left out of a media type.
bool names_type(const Json& header, std::string_view member, std::string_view type) {
  const std::optional<std::string_view> text = header.string_at(member);
  return text && (equals_ignoring_case(*text, type) || equals_ignoring_case(*text, cat("application/", type)));
}

// RFC 8725 §3.11: two kinds of token never stand in for each other.
Result<void> check_type(const Json& header) {
  if (names_type(header, "typ", "txntoken+jwt")) return bad_token("a transaction token is no credential of a client");
  return {};
}

Result<OpenedToken> open_signed(std::string_view token, const crypto::KeySet& keys) {
  Result<crypto::Jws> jws = crypto::parse_jws(token);
  if (!jws) return std::unexpected(jws.error());
  if (Result<void> done = check_type(jws->header); !done) return std::unexpected(done.error());
  const auto key = crypto::verify_jws(*jws, keys);
  if (!key) return std::unexpected(key.error());
  std::string key_id((*key)->id().empty() ? jws->key_id : std::string_view((*key)->id()));
  return OpenedToken{
      std::move(jws->header_text), std::move(jws->header), std::move(jws->payload), {}, std::move(key_id)};
}

Result<OpenedToken> open_encrypted(std::string_view token, const crypto::KeySet& keys, bool expects_token) {
  Result<crypto::Jwe> jwe = crypto::parse_jwe(token);
  if (!jwe) return std::unexpected(jwe.error());
  if (Result<void> done = check_type(jwe->header); !done) return std::unexpected(done.error());
  // RFC 7519 §5.2: cty says whether there is another token inside; which of the two is wanted, the location says.
  if (names_type(jwe->header, "cty", "JWT") != expects_token) {
    return bad_token(expects_token ? "cty is not JWT: no signed token inside"
                                   : "cty is JWT: a token inside, where claims are expected");
  }
  std::string key_id;
  Result<std::string> plaintext = crypto::decrypt_jwe(*jwe, keys, &key_id);
  if (!plaintext) return std::unexpected(plaintext.error());
  if (key_id.empty()) key_id = jwe->header.string_at("kid").value_or("");
  return OpenedToken{std::move(jwe->header_text), std::move(jwe->header), std::move(*plaintext), {}, std::move(key_id)};
}

}  // namespace

std::string_view name_of(TokenForm form) {
  switch (form) {
    case TokenForm::jws:
      return "signed";
    case TokenForm::jwe:
      return "encrypted";
    case TokenForm::nested:
      return "nested";
  }
  return "signed";
}

bool has_keys_for(const crypto::KeySet& keys, TokenForm form) {
  const bool verifies = !keys.keys.empty(), decrypts = !keys.decryption_keys.empty();
  switch (form) {
    case TokenForm::jws:
      return verifies;
    case TokenForm::jwe:
      return decrypts;
    case TokenForm::nested:
      return verifies && decrypts;
  }
  return false;
}

Result<OpenedToken> open_jwt(std::string_view token, TokenForm form, const crypto::KeySet& keys) {
  if (form == TokenForm::jws) return open_signed(token, keys);
  Result<OpenedToken> outer = open_encrypted(token, keys, form == TokenForm::nested);
  if (!outer || form == TokenForm::jwe) return outer;
  Result<OpenedToken> inner = open_signed(outer->payload, keys);
  if (!inner) return std::unexpected(inner.error());
  inner->enclosed = std::move(outer->payload);
  return inner;
}

}  // namespace keepgate::auth

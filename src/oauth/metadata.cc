// What the server says of itself (RFC 8414, OpenID Connect Discovery §3), and its public keys (RFC 7517). Only what is
// built is named.
#include <vector>

#include "base/bytes.h"
#include "crypto/json.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;

Json list_of(std::initializer_list<const char*> texts) {
  Json::Array out;
  for (const char* one : texts) out.emplace_back(one);
  return Json(std::move(out));
}

// Documents that anybody may keep for a moment: a new key is published long before it signs.
Answer public_document(std::string_view type, std::string body) {
  Answer out;
  out.content_type = type;
  out.body = std::move(body);
  out.fields = "Cache-Control: public, max-age=300\r\n";
  return out;
}

Json scopes_of(const Settings& settings) {
  Json::Array out;
  for (const char* one : {"openid", "profile", "email", "address", "phone", "offline_access"}) {
    out.emplace_back(one);
  }
  for (const auto& [scope, text] : settings.scope_texts) {
    if (!is_openid_scope(scope)) out.emplace_back(scope);
  }
  return Json(std::move(out));
}

std::string metadata_of(const Settings& settings) {
  Json::Object out;
  out.emplace_back("issuer", Json(settings.issuer));
  for (const Endpoint& row : endpoints()) {
    if (!row.metadata.empty()) out.emplace_back(std::string(row.metadata), Json(settings.url(row.path)));
  }
  Json::Array grant_types;
  for (const GrantRow& row : grants()) grant_types.emplace_back(std::string(row.grant_type));
  const std::string algorithm(crypto::name_of(settings.signing_algorithm));
  const Json methods =
      list_of({"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "none"});
  const Json confidential =
      list_of({"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"});
  const Json algorithms =
      list_of({"ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"});
  out.emplace_back("scopes_supported", scopes_of(settings));
  out.emplace_back("response_types_supported", list_of({"code"}));
  out.emplace_back("response_modes_supported", list_of({"query"}));
  out.emplace_back("grant_types_supported", Json(std::move(grant_types)));
  out.emplace_back("subject_types_supported", list_of({"public"}));
  out.emplace_back("id_token_signing_alg_values_supported", Json(Json::Array{Json(algorithm)}));
  out.emplace_back("token_endpoint_auth_methods_supported", methods);
  out.emplace_back("token_endpoint_auth_signing_alg_values_supported", algorithms);
  out.emplace_back("introspection_endpoint_auth_methods_supported", confidential);
  out.emplace_back("introspection_endpoint_auth_signing_alg_values_supported", algorithms);
  out.emplace_back("revocation_endpoint_auth_methods_supported", methods);
  out.emplace_back("revocation_endpoint_auth_signing_alg_values_supported", algorithms);
  out.emplace_back("code_challenge_methods_supported", list_of({"S256"}));
  out.emplace_back("authorization_response_iss_parameter_supported", Json(true));
  out.emplace_back("require_pushed_authorization_requests", Json(false));
  out.emplace_back("request_parameter_supported", Json(false));
  out.emplace_back("request_uri_parameter_supported", Json(false));
  out.emplace_back("claims_parameter_supported", Json(false));
  out.emplace_back("dpop_signing_alg_values_supported", algorithms);
  out.emplace_back("tls_client_certificate_bound_access_tokens", Json(true));
  out.emplace_back("prompt_values_supported", list_of({"none", "login", "consent", "select_account"}));
  out.emplace_back(
      "claims_supported",
      list_of({"iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "nonce", "at_hash", "sid", "preferred_username",
               "name", "email", "email_verified", "phone_number", "phone_number_verified", "address", "roles"}));
  return Json(std::move(out)).write();
}

}  // namespace

net::Task<Answer> serve_metadata(Context& context) {
  co_return public_document("application/json", metadata_of(context.settings));
}

net::Task<Answer> serve_jwks(Context& context) {
  co_return public_document("application/jwk-set+json", context.state.keys->jwks());
}

}  // namespace keepgate::oauth

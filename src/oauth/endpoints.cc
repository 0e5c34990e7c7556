#include "oauth/endpoints.h"

namespace keepgate::oauth {

namespace {

constexpr bool yes = true, no = false;

//   path                                      GET  POST  other origins     in the metadata handler
constexpr Endpoint rows[] = {
    {"/.well-known/oauth-authorization-server", yes, no, Cors::anybody, "", serve_metadata},
    {"/.well-known/openid-configuration", yes, no, Cors::anybody, "", serve_metadata},
    {"/jwks", yes, no, Cors::anybody, "jwks_uri", serve_jwks},
    {"/authorize", yes, yes, Cors::none, "authorization_endpoint", serve_authorize},
    {"/par", no, yes, Cors::none, "pushed_authorization_request_endpoint", serve_pushed_request},
    {"/token", no, yes, Cors::registered, "token_endpoint", serve_token},
    {"/introspect", no, yes, Cors::none, "introspection_endpoint", serve_introspection},
    {"/revoke", no, yes, Cors::registered, "revocation_endpoint", serve_revocation},
    {"/userinfo", yes, yes, Cors::registered, "userinfo_endpoint", serve_userinfo},
    {"/device_authorization", no, yes, Cors::none, "device_authorization_endpoint", serve_device_authorization},
    {"/device", yes, yes, Cors::none, "", serve_device_page},
    {"/end-session", yes, yes, Cors::none, "end_session_endpoint", serve_end_session},
    {"/revocations", yes, no, Cors::none, "", serve_feed},
    {"/style.css", yes, no, Cors::none, "", serve_style},
};

}  // namespace

std::span<const Endpoint> endpoints() { return rows; }

const Endpoint* endpoint_at(std::string_view path) {
  for (const Endpoint& row : rows) {
    if (row.path == path) return &row;
  }
  return nullptr;
}

}  // namespace keepgate::oauth

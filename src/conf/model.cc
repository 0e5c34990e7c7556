#include "conf/model.h"

namespace keepgate::conf {

namespace {

template <auto... Members>
void take_unset(LevelOptions& inner, const LevelOptions& outer) {
  const auto take = [](auto& own, const auto& inherited) {
    if (!own) own = inherited;
  };
  (take(inner.*Members, outer.*Members), ...);
}

// `authorize off` opens a location: it asks for no credential but those that its own level names.
void apply_authorize_off(LevelOptions& inner) {
  if (!inner.authorize || inner.authorize->value != AuthorizeSetting::off) return;
  if (!inner.auth_jwt) inner.auth_jwt = AuthJwtModel{true, {}, {}, inner.authorize->at};
  if (!inner.auth_introspect) {
    inner.auth_introspect.emplace();
    inner.auth_introspect->off = true;
  }
  if (!inner.auth_http_signature) {
    inner.auth_http_signature.emplace();
    inner.auth_http_signature->off = true;
  }
  if (!inner.auth_certificate) inner.auth_certificate = CertificateIdentityModel{};
  if (!inner.auth_api_key) inner.auth_api_key = ApiKeyModel{true, {}, {}, inner.authorize->at};
  if (!inner.auth_basic) inner.auth_basic = AuthBasicModel{true, {}, inner.authorize->at};
  if (!inner.auth_identity) inner.auth_identity = OptionalFile{true, {}};
  if (!inner.transaction) inner.transaction = TransactionModel{};
}

}  // namespace

void inherit(LevelOptions& inner, const LevelOptions& outer) {
  using O = LevelOptions;
  // Before inheriting: only what this level itself says counts.
  apply_authorize_off(inner);
  const bool has_own_keys = inner.jwt_key_files || inner.jwt_key_requests;
  if (!has_own_keys) take_unset<&O::jwt_key_files, &O::jwt_key_requests>(inner, outer);
  // A level that names its own certificates names their keys too.
  take_unset<&O::client_header_timeout_ms, &O::client_header_buffer_size, &O::large_client_header_buffers,
             &O::merge_slashes, &O::underscores_in_headers, &O::identity_headers, &O::ssl_certificates,
             &O::ssl_certificate_keys, &O::ssl_protocols, &O::ssl_ciphers, &O::ssl_prefer_server_ciphers,
             &O::ssl_session_timeout_s>(inner, outer);
  take_unset<&O::ssl_verify_client, &O::ssl_client_certificate, &O::ssl_trusted_certificate, &O::ssl_crl,
             &O::ssl_verify_depth, &O::auth_certificate, &O::proxy_client_cert>(inner, outer);
  take_unset<&O::default_type, &O::charset, &O::types, &O::client_max_body_size, &O::client_body_timeout_ms,
             &O::send_timeout_ms, &O::keepalive_timeout_ms, &O::keepalive_header_s, &O::keepalive_min_timeout_ms,
             &O::keepalive_time_ms, &O::keepalive_requests, &O::lingering, &O::lingering_time_ms,
             &O::lingering_timeout_ms, &O::reset_timedout, &O::tcp_nodelay, &O::absolute_redirect, &O::error_pages,
             &O::add_headers, &O::access_logs, &O::decision_log>(inner, outer);
  take_unset<&O::real_ip_from, &O::real_ip_header, &O::real_ip_recursive>(inner, outer);
  take_unset<&O::client_body_buffer_size, &O::proxy_buffers_bytes, &O::proxy_buffer_size, &O::proxy_max_temp_file_size,
             &O::proxy_limit_rate, &O::client_body_temp_path, &O::proxy_temp_path, &O::limit_rate, &O::limit_rate_after,
             &O::proxy_buffering, &O::proxy_request_buffering, &O::proxy_pass_trailers, &O::proxy_next_upstream,
             &O::proxy_next_upstream_tries, &O::proxy_next_upstream_timeout_ms, &O::proxy_ignore_client_abort,
             &O::proxy_ignore_headers>(inner, outer);
  take_unset<&O::limits, &O::limit_status, &O::limit_log_level, &O::limit_dry_run, &O::limit_headers, &O::conn_limits,
             &O::conn_status, &O::conn_log_level, &O::conn_dry_run>(inner, outer);
  take_unset<&O::auth_api_key, &O::api_key_file, &O::api_key_forward, &O::auth_basic, &O::basic_user_file,
             &O::basic_forward>(inner, outer);
  take_unset<&O::address_rules, &O::satisfy_any, &O::auth_request, &O::assignments, &O::mirrors,
             &O::mirror_request_body, &O::auth_jwt, &O::jwt_key_cache_ms, &O::jwt_leeway_s, &O::jwt_issuers,
             &O::auth_introspect, &O::auth_http_signature, &O::jwt_form, &O::jwt_requires, &O::auth_requires,
             &O::auth_delay_ms, &O::dpop_over_tls, &O::auth_identity, &O::identity_claims, &O::policies, &O::authorize,
             &O::service, &O::transaction, &O::transaction_key, &O::transaction_key_files>(inner, outer);
  take_unset<&O::proxy_bind, &O::proxy_socket_keepalive, &O::proxy_redirect, &O::proxy_cookie_domain,
             &O::proxy_cookie_path, &O::proxy_cookie_flags>(inner, outer);
  take_unset<&O::proxy_protocol, &O::proxy_set_headers, &O::proxy_hide_headers, &O::proxy_pass_headers,
             &O::proxy_pass_request_headers, &O::proxy_pass_request_body, &O::proxy_intercept_errors,
             &O::proxy_connect_timeout_ms, &O::proxy_send_timeout_ms, &O::proxy_read_timeout_ms, &O::proxy_ssl_verify,
             &O::proxy_ssl_server_name, &O::proxy_ssl_trusted_certificate, &O::proxy_ssl_name,
             &O::proxy_ssl_certificate, &O::proxy_ssl_certificate_key, &O::proxy_ssl_verify_depth,
             &O::proxy_ssl_protocols>(inner, outer);
  take_unset<&O::resolver, &O::resolver_timeout_ms, &O::health_check_timeout_ms>(inner, outer);
}

}  // namespace keepgate::conf

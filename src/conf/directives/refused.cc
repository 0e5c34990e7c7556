// Directives that are known and not built. They are listed so that the message is right: "is not built yet" and not
// "unknown". Everything here is refused by the zero of Support.
#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

constexpr DirectiveRow row(std::string_view name, std::uint32_t contexts, std::string_view summary) {
  return {name, contexts, {0, many}, Support::refused, nullptr, "", summary};
}

void accept_off(Reader& reader, const Scope&, const Directive& directive) {
  if (directive.arguments.size() == 1 && directive.arguments[0].text == "off") return;
  reader.not_built(directive.name, cat("directive '", directive.name.text, "'"));
}

// `off` asks for exactly what is there.
constexpr DirectiveRow unless_off(std::string_view name, std::uint32_t contexts, std::string_view summary) {
  return {name, contexts, {0, many}, Support::refused, accept_off, "off", summary};
}

constexpr std::uint32_t levels = in_levels;
constexpr std::uint32_t outer_levels = in_http | in_server;
constexpr std::uint32_t access = in_levels | in_limit_except;
constexpr std::string_view caching = "Caches upstream answers.";
constexpr std::string_view compressing = "Compresses answers.";
constexpr std::string_view files = "Serves files.";
constexpr std::string_view client_tls = "Verifies certificates of clients.";
constexpr std::string_view upstream_tls = "Tunes TLS towards upstreams.";
constexpr std::string_view scripts = "Runs JavaScript.";
constexpr std::string_view grpc = "Forwards gRPC.";
constexpr std::string_view protocol = "Speaks another protocol to upstreams.";
constexpr std::string_view balancing = "Chooses servers of a group in another way than round robin.";
constexpr std::string_view http3 = "Speaks HTTP/3.";
constexpr std::string_view oidc = "Logs users in by OpenID Connect.";

constexpr DirectiveRow nginx[] = {
    row("stream", in_main, "Forwards TCP and UDP."),
    row("mail", in_main, "Forwards mail."),
    row("google_perftools_profiles", in_main, "Profiles the program."),
    row("ssl_engine", in_main, "Uses an OpenSSL engine."),
    row("geoip_country", in_http, "Variables by address."),
    row("geoip_city", in_http, "Variables by address."),
    row("try_files", in_server | in_location, files),
    unless_off("autoindex", levels, files),
    row("random_index", in_location, files),
    row("disable_symlinks", levels, files),
    unless_off("expires", levels | in_if, "Sets Expires and Cache-Control."),
    row("add_trailer", levels, "Adds trailers to answers."),
    row("add_header_inherit", levels, "Merges added fields of the levels."),
    unless_off("gzip_static", levels, compressing),
    unless_off("gunzip", levels, compressing),
    row("sub_filter", levels, "Changes the text of answers."),
    row("sub_filter_once", levels, "Changes the text of answers."),
    row("addition_types", levels, "Changes the text of answers."),
    row("add_before_body", levels, "Changes the text of answers."),
    row("add_after_body", levels, "Changes the text of answers."),
    unless_off("ssi", levels | in_if, "Changes the text of answers."),
    unless_off("dav_methods", levels, files),
    row("dav_access", levels, files),
    row("slice", levels, caching),
    row("secure_link", levels, "Checks signed links."),
    row("secure_link_md5", levels, "Checks signed links."),
    row("secure_link_secret", in_location, "Checks signed links."),
    row("valid_referers", in_server | in_location, "Checks the Referer field."),
    row("referer_hash_max_size", in_server | in_location, "Checks the Referer field."),
    unless_off("userid", levels, "Gives clients a cookie."),
    row("empty_gif", in_location, "Serves a tiny image."),
    row("flv", in_location, files),
    row("mp4", in_location, files),
    row("perl", in_location | in_limit_except, "Runs Perl."),
    row("perl_set", in_http, "Runs Perl."),
    unless_off("recursive_error_pages", levels, "Error pages of error pages."),
    row("max_ranges", levels, "Limits ranges."),
    unless_off("proxy_cache", levels, caching),
    row("proxy_cache_path", in_http, caching),
    row("proxy_cache_key", levels, caching),
    row("proxy_cache_valid", levels, caching),
    row("proxy_cache_methods", levels, caching),
    row("proxy_cache_min_uses", levels, caching),
    row("proxy_cache_use_stale", levels, caching),
    row("proxy_cache_lock", levels, caching),
    row("proxy_cache_revalidate", levels, caching),
    row("proxy_cache_background_update", levels, caching),
    row("proxy_cache_purge", levels, caching),
    unless_off("proxy_store", levels, caching),
    row("proxy_store_access", levels, caching),
    row("proxy_set_body", levels, "Changes the body of requests."),
    row("proxy_method", levels, "Changes the method of requests."),
    row("proxy_force_ranges", levels, "Makes ranges of answers without them."),
    row("proxy_ssl_ciphers", levels, upstream_tls),
    row("proxy_ssl_crl", levels, upstream_tls),
    row("proxy_ssl_password_file", levels, upstream_tls),
    row("proxy_ssl_conf_command", levels, upstream_tls),
    row("ssl", in_http | in_server, "TLS for a whole server; write `listen … ssl`."),
    unless_off("ssl_ocsp", outer_levels, client_tls),
    row("ssl_password_file", outer_levels, "Passwords of keys."),
    row("ssl_session_ticket_key", outer_levels, "Shares ticket keys between programs."),
    unless_off("ssl_reject_handshake", outer_levels, "Refuses handshakes."),
    unless_off("ssl_early_data", outer_levels, "Takes requests before the handshake is done."),
    row("ssl_conf_command", outer_levels, "Passes a command to OpenSSL."),
    unless_off("http3", outer_levels, http3),
    row("quic_retry", outer_levels, http3),
    row("grpc_pass", in_location, grpc),
    row("grpc_set_header", levels, grpc),
    row("grpc_ssl_verify", levels, grpc),
    row("grpc_intercept_errors", levels, grpc),
    row("grpc_connect_timeout", levels, grpc),
    row("grpc_read_timeout", levels, grpc),
    row("grpc_send_timeout", levels, grpc),
    row("fastcgi_pass", in_location, protocol),
    row("fastcgi_param", levels, protocol),
    row("uwsgi_pass", in_location, protocol),
    row("uwsgi_param", levels, protocol),
    row("scgi_pass", in_location, protocol),
    row("scgi_param", levels, protocol),
    row("memcached_pass", in_location, protocol),
    row("js_import", in_http, scripts),
    row("js_set", in_http, scripts),
    row("js_content", in_location, scripts),
    row("js_path", in_http, scripts),
    row("js_include", in_http, scripts),
    row("js_header_filter", in_location, scripts),
    row("js_body_filter", in_location, scripts),
    row("js_var", in_http, scripts),
    row("js_access", in_location, scripts),
};

constexpr DirectiveRow plus[] = {
    row("auth_oidc", levels, oidc),
    row("oidc_provider", in_http, oidc),
    row("least_time", in_upstream, balancing),
    row("sticky", in_upstream, balancing),
    row("state", in_upstream, "Keeps the servers of a group in a file."),
    row("ntlm", in_upstream, "Binds connections to clients."),
    row("api", in_location, "NGINX Plus's API."),
    row("status", in_location, "NGINX Plus's old status page."),
    row("keyval", in_http, "A variable by a table that can be changed."),
    row("keyval_zone", in_http, "A variable by a table that can be changed."),
    row("session_log", levels, "Logs sessions."),
    row("session_log_zone", in_http, "Logs sessions."),
    row("f4f", in_location, files),
    row("hls", in_location, files),
    row("internal_redirect", in_location, "Redirects after access checks."),
    row("mgmt", in_main, "Reports usage of NGINX Plus."),
    row("usage_report", in_main, "Reports usage of NGINX Plus."),
    row("zone_sync", in_stream, "Shares zones between programs."),
    row("app_protect_enable", levels, "A web application firewall."),
};

constexpr DirectiveRow own[] = {
    row("audit_log", levels, "A hash-chained log of decisions."),
    row("status_api", in_location, "Status and metrics as JSON."),
    row("dashboard", in_location, "The page that shows them."),
    row("shared_state", in_main | in_authorization_server, "State that several programs share."),
};

}  // namespace

std::span<const DirectiveRow> refused_nginx_rows() { return nginx; }
std::span<const DirectiveRow> refused_plus_rows() { return plus; }
std::span<const DirectiveRow> refused_own_rows() { return own; }

}  // namespace keepgate::conf

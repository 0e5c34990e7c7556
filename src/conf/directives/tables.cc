// The list of all tables of directives, in the order of the reference page.
#include "conf/directives/row.h"

namespace keepgate::conf {

std::span<const DirectiveTable> directive_tables() {
  static const DirectiveTable tables[] = {
      {"Main", main_rows()},
      {"Servers and locations", server_rows()},
      {"Core", http_core_rows()},
      {"Upstreams", upstream_rows()},
      {"Proxy", proxy_rows()},
      {"What upstreams answer", proxy_answer_rows()},
      {"Names", resolver_rows()},
      {"Health", health_rows()},
      {"Bodies", body_rows()},
      {"Rewriting", rewrite_rows()},
      {"Maps", map_rows()},
      {"Addresses and groups", geo_rows()},
      {"Limits", limit_rows()},
      {"Addresses of clients", real_ip_rows()},
      {"Logs", log_rows()},
      {"TLS", ssl_rows()},
      {"Certificates of clients", client_certificate_rows()},
      {"Access", access_rows()},
      {"Asking a service", subrequest_rows()},
      {"API keys", api_key_rows()},
      {"Passwords", basic_rows()},
      {"JSON Web Tokens", jwt_rows()},
      {"Issuers", issuer_rows()},
      {"Introspection", introspect_rows()},
      {"HTTP message signatures", http_signature_rows()},
      {"Revocations", revocation_rows()},
      {"Keepgate's own", keepgate_rows()},
      {"Authorization server", authorization_server_rows()},
      {"Clients and users of the authorization server", authorization_client_rows()},
      {"Accepted without effect", ignored_rows()},
      {"nginx's, not built", refused_nginx_rows()},
      {"NGINX Plus's, not built", refused_plus_rows()},
      {"Keepgate's own, not built", refused_own_rows()},
  };
  return tables;
}

}  // namespace keepgate::conf

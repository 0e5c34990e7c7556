// Certificates of clients: who is asked for them, whom they name, and who is told.
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "proxy/proxy_content.h"

namespace keepgate::conf {

using tls::VerifyClient;

VerifyClient Compiler::verify_client(const LevelOptions& options) {
  return options.ssl_verify_client ? options.ssl_verify_client->value : VerifyClient::off;
}

// `options`: of a server.
tls::ClientVerification Compiler::client_verification(const LevelOptions& options) {
  tls::ClientVerification out;
  out.mode = verify_client(options);
  if (out.mode == VerifyClient::off) return out;
  if (options.ssl_client_certificate) out.authorities = configuration_path(options.ssl_client_certificate->text);
  if (options.ssl_trusted_certificate) out.trusted = configuration_path(options.ssl_trusted_certificate->text);
  if (options.ssl_crl) out.revocations = configuration_path(options.ssl_crl->text);
  out.depth = static_cast<int>(options.ssl_verify_depth.value_or(1));
  if (out.mode != VerifyClient::optional_no_ca && out.authorities.empty() && out.trusted.empty()) {
    error(code::missing_certificate, "no 'ssl_client_certificate' for 'ssl_verify_client'",
          options.ssl_verify_client->at, "ssl_client_certificate FILE; with the authorities that vouch for clients");
  }
  return out;
}

void Compiler::compile_certificate_identity(Location& out, const Level& level) {
  const auto& model = level.options.auth_certificate;
  if (!model || !model->on) return;
  out.auth.certificate = auth::CertificateOptions{true, model->name, {}};
  out.auth.certificate.realm = level.server.names.empty() ? "" : level.server.names[0].text;
  if (verify_client(level.server.options) != VerifyClient::off) return;
  error(code::missing_certificate, "'auth_client_certificate' needs 'ssl_verify_client' in its server", model->at,
        "ssl_verify_client optional; and ssl_client_certificate FILE;");
}

void Compiler::set_client_cert(proxy::ProxyOptions& proxy, const Level& level) {
  const auto& model = level.options.proxy_client_cert;
  if (!model || model->value == ClientCertSetting::off) return;
  proxy.client_cert = model->value == ClientCertSetting::chain ? proxy::ClientCert::chain : proxy::ClientCert::leaf;
  if (model->value == ClientCertSetting::chain) chain_servers_.insert(&level.server);
  if (verify_client(level.server.options) == VerifyClient::off) {
    error(code::missing_certificate, "'proxy_client_cert' needs 'ssl_verify_client' in its server", model->at,
          "ssl_verify_client on; and ssl_client_certificate FILE;");
  }
  for (const auto& [name, value] : proxy.set_headers) {
    if (!equals_ignoring_case(name, "Client-Cert") && !equals_ignoring_case(name, "Client-Cert-Chain")) continue;
    error(code::duplicate, cat("'", name, "' is set by 'proxy_set_header' and by 'proxy_client_cert'"), model->at);
  }
}

}  // namespace keepgate::conf

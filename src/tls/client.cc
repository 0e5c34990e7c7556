// The client's side, for connections to upstreams.
#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/bytes.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/layer.h"

namespace keepgate::tls {

struct ClientContext::Impl {
  SslContextPtr context;
  bool verify = false;
  bool send_server_name = false;
};

class ClientLayer final : public Layer {
 public:
  ClientLayer(int descriptor, std::shared_ptr<const ClientContext> context, const std::string& name);

 private:
  bool expect_name(const std::string& name, bool is_address);

  std::shared_ptr<const ClientContext> context_;
};

namespace {

bool is_ip_address(const std::string& name) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// A name may come from a request. OpenSSL takes a leading dot to mean any subdomain, so that is refused as well.
bool is_host_name(std::string_view name) {
  constexpr std::size_t name_bytes_max = 253;
  const auto is_allowed = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= name_bytes_max && name.front() != '.' && std::ranges::all_of(name, is_allowed);
}

// "[::1]" → "::1", "example.com." → "example.com".
std::string bare_name(std::string_view name) {
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') return std::string(name.substr(1, name.size() - 2));
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  return std::string(name);
}

}  // namespace

ClientLayer::ClientLayer(int descriptor, std::shared_ptr<const ClientContext> context, const std::string& name)
    : Layer(descriptor, context ? context->impl_->context.get() : nullptr), context_(std::move(context)) {
  if (!ssl()) return;
  const ClientContext::Impl& settings = *context_->impl_;
  SSL_set_connect_state(ssl());
  std::string bare = bare_name(name);
  const bool is_address = is_ip_address(bare);
  if ((settings.verify || settings.send_server_name) && !is_address && !is_host_name(bare)) {
    refuse(cat("\"", printable(name), "\" is not a name that a certificate can be for"));
    return;
  }
  if (settings.verify && !expect_name(bare, is_address)) {
    ERR_clear_error();
    refuse("out of memory");
    return;
  }
  // RFC 6066 section 3: no literal addresses in server_name.
  if (settings.send_server_name && !is_address) {
    if (SSL_ctrl(ssl(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, bare.data()) != 1) {
      ERR_clear_error();
      refuse("out of memory");
      return;
    }
    server_name_ = to_lower(bare);
  }
}

bool ClientLayer::expect_name(const std::string& name, bool is_address) {
  X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl());
  // RFC 9525: names are in subjectAltName, and a wildcard is a whole label.
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_host(expected, name.data(), name.size()) == 1;
}

namespace {

void load_trusted(SSL_CTX* context, const ClientOptions& options, const Complaints& complaints) {
  if (options.trusted_certificate.empty()) {
    if (options.verify && SSL_CTX_set_default_verify_paths(context) != 1) {
      complaints.error("KG601", cat("cannot read the system's trusted certificates: ", take_error()));
    }
    return;
  }
  if (SSL_CTX_load_verify_file(context, options.trusted_certificate.c_str()) != 1) {
    complaints.error("KG601",
                     cat("cannot read trusted certificates \"", options.trusted_certificate, "\": ", take_error()));
  }
}

void load_own_certificate(SSL_CTX* context, const ClientOptions& options, const Complaints& complaints) {
  if (options.certificate.empty() && options.certificate_key.empty()) return;
  if (options.certificate.empty() || options.certificate_key.empty()) {
    complaints.error("KG607", "a certificate for upstreams needs both its file and its key",
                     "use proxy_ssl_certificate together with proxy_ssl_certificate_key");
    return;
  }
  use_credential(context, options.certificate, options.certificate_key, complaints);
}

}  // namespace

std::shared_ptr<const ClientContext> ClientContext::build(const ClientOptions& options, const SourcePlace& place,
                                                          Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  const Complaints complaints{place, diagnostics};
  ERR_clear_error();
  std::shared_ptr<ClientContext> made(new ClientContext);
  made->impl_ = std::make_unique<Impl>(Impl{nullptr, options.verify, options.send_server_name});
  made->impl_->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = made->impl_->context.get();
  if (!context) {
    complaints.error("KG602", cat("no TLS context can be made: ", take_error()));
    return nullptr;
  }
  apply_common_settings(context);
  const ProtocolRange protocols = parse_protocols(options.protocols, complaints);
  SSL_CTX_set_min_proto_version(context, protocols.lowest);
  SSL_CTX_set_max_proto_version(context, protocols.highest);
  static constexpr unsigned char http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(context, http11, sizeof http11);
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_verify_depth(context, std::clamp(options.verify_depth, 0, 100));
  load_trusted(context, options, complaints);
  load_own_certificate(context, options, complaints);
  ERR_clear_error();
  return diagnostics.error_count() == errors_before ? made : nullptr;
}

ClientContext::~ClientContext() = default;

std::unique_ptr<net::StreamLayer> make_client_layer(int descriptor, std::shared_ptr<const ClientContext> context,
                                                    const std::string& name) {
  return std::make_unique<ClientLayer>(descriptor, std::move(context), name);
}

}  // namespace keepgate::tls

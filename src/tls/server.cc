// The server's side: one SSL_CTX per virtual server, chosen by the client's hello before anything else is decided.
//
// A session starts in a context without certificates. The hello callback, which OpenSSL calls before it looks at
// versions, tickets or ciphers, asks the ContextSource and moves the session into what it names. Choosing later (in the
// server name callback) would be after resumption, and a session could cross virtual servers (CVE-2025-23419). What a
// client proved in one context counts in no other: each has ticket keys and a session scope of its own.
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "tls/client_verification.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/layer.h"
#include "tls/ticket_keys.h"

namespace keepgate::tls {

namespace {
constexpr std::int64_t ticket_lifetime_s_max = 7 * 24 * 3600;  // RFC 8446 section 4.6.1.
constexpr std::int64_t key_period_s_min = 60;
}  // namespace

struct ServerContext::Impl {
  explicit Impl(std::int64_t session_timeout)
      : session_timeout_s(std::clamp<std::int64_t>(session_timeout, 0, ticket_lifetime_s_max)),
        ticket_keys(std::max(session_timeout_s, key_period_s_min)) {
    crypto::random_bytes(session_scope);
  }

  SslContextPtr context;
  ProtocolRange protocols;
  std::uint64_t options = 0;
  ClientVerification clients;
  const std::int64_t session_timeout_s;
  // The session id context: sessions resume only where they were made.
  std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> session_scope{};
  TicketKeys ticket_keys;  // Guards itself, so that shared contexts stay immutable to their users.
};

class ServerLayer final : public Layer {
 public:
  ServerLayer(int descriptor, const ContextSource& source);

  // For the hello callback. `alert` is set on refusal.
  bool choose_context(int& alert);
  ServerContext::Impl* chosen() const { return context_ ? context_->impl_.get() : nullptr; }
  SessionFacts facts() const override;
  static ServerLayer& of(SSL* session) { return *static_cast<ServerLayer*>(SSL_get_app_data(session)); }

 private:
  bool enter(const ServerContext::Impl& chosen);

  const ContextSource* source_;
  std::shared_ptr<const ServerContext> context_;
};

namespace {

// The one host name of a server_name extension (RFC 6066 section 3), in lower case and without a final dot. "" if the
// client sends none; nothing if it is malformed.
std::optional<std::string> read_server_name(SSL* session) {
  const unsigned char* bytes = nullptr;
  std::size_t length = 0;
  if (SSL_client_hello_get0_ext(session, TLSEXT_TYPE_server_name, &bytes, &length) != 1) return std::string();
  const auto number_at = [&](std::size_t i) { return static_cast<std::size_t>(bytes[i]) << 8 | bytes[i + 1]; };
  // list length (2), name type (1), name length (2), name. OpenSSL, like everybody, takes one name only.
  if (length < 6 || number_at(0) != length - 2 || bytes[2] != TLSEXT_NAMETYPE_host_name) return std::nullopt;
  if (number_at(3) != length - 5 || length - 5 > TLSEXT_MAXLEN_host_name) return std::nullopt;
  std::string name = to_lower(std::string_view(reinterpret_cast<const char*>(bytes) + 5, length - 5));
  const auto is_refused = [](char c) { return c <= ' ' || c >= '\x7f' || c == '/'; };
  if (std::ranges::any_of(name, is_refused)) return std::nullopt;
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  return name;
}

int on_client_hello(SSL* session, int* alert, void*) noexcept {
  return ServerLayer::of(session).choose_context(*alert) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

// RFC 7301 section 3.2: a client that offers protocols of which none is ours gets no_application_protocol. That also
// keeps a session made for another service from being used here.
int on_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
            unsigned offered_length, void*) noexcept {
  static constexpr unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* selected = nullptr;
  const int found = SSL_select_next_proto(&selected, out_length, ours, sizeof ours, offered, offered_length);
  *out = selected;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int on_new_ticket(SSL* session, void*) noexcept {
  const auto* const context = ServerLayer::of(session).chosen();
  if (!context) return 0;
  SSL_SESSION_set_timeout(SSL_get_session(session), static_cast<long>(context->session_timeout_s));
  return 1;
}

bool set_ticket_key(const TicketKey& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                    bool seal) {
  static const EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  return aes && EVP_MAC_init(mac, key.mac_key.data(), key.mac_key.size(), parameters) == 1 &&
         EVP_CipherInit_ex(cipher, aes, nullptr, key.cipher_key.data(), iv, seal ? 1 : 0) == 1;
}

// Seals or opens a ticket with the keys of the context that was chosen. 1: done; 0: no such key, so a full handshake;
// -1: error.
int on_ticket_key(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                  int seal) noexcept {
  auto* const context = ServerLayer::of(session).chosen();
  if (!context) return -1;
  const std::int64_t now_s = Now::read().monotonic_ms / 1000;
  if (seal != 0) {
    const TicketKey key = context->ticket_keys.sealing_key(now_s);
    std::ranges::copy(key.name, name);
    crypto::random_bytes({iv, EVP_MAX_IV_LENGTH});
    return set_ticket_key(key, iv, cipher, mac, true) ? 1 : -1;
  }
  const std::span<const unsigned char, 16> asked(name, 16);
  const std::optional<TicketKey> key = context->ticket_keys.opening_key(asked, now_s);
  if (!key) return 0;
  return set_ticket_key(*key, iv, cipher, mac, false) ? 1 : -1;
}

// Where each session starts. It has no certificate: a session that stayed here could not finish its handshake.
SSL_CTX* entrance() {
  static const SslContextPtr context = [] {
    SslContextPtr made(SSL_CTX_new(TLS_server_method()));
    if (!made) return made;
    apply_common_settings(made.get());
    SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
    SSL_CTX_set_client_hello_cb(made.get(), on_client_hello, nullptr);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(made.get(), on_ticket_key);
    SSL_CTX_set_session_ticket_cb(made.get(), on_new_ticket, nullptr, nullptr);
    return made;
  }();
  return context.get();
}

}  // namespace

ServerLayer::ServerLayer(int descriptor, const ContextSource& source)
    : Layer(descriptor, entrance()), source_(&source) {
  if (!ssl()) return;
  if (SSL_set_app_data(ssl(), this) != 1) {  // The callbacks look there for us.
    ERR_clear_error();
    refuse("out of memory");
    return;
  }
  SSL_set_accept_state(ssl());
}

bool ServerLayer::choose_context(int& alert) {
  const std::optional<std::string> name = read_server_name(ssl());
  if (!name) {
    alert = SSL_AD_UNRECOGNIZED_NAME;
    refuse("the client's server name is malformed");
    return false;
  }
  if (context_) {
    // After a HelloRetryRequest. RFC 8446 section 4.1.2: the second hello may not change its server name.
    if (*name == server_name_) return true;
    alert = SSL_AD_ILLEGAL_PARAMETER;
    refuse("the client changed its server name");
    return false;
  }
  server_name_ = *name;
  context_ = source_->context_for(server_name_);
  if (!context_) {
    alert = SSL_AD_UNRECOGNIZED_NAME;
    refuse(cat("no server answers for the name \"", printable(server_name_), "\""));
    return false;
  }
  if (enter(*context_->impl_)) return true;
  alert = SSL_AD_INTERNAL_ERROR;
  refuse("the server's TLS context cannot be used");
  return false;
}

// SSL_set_SSL_CTX() brings certificates, ciphers and ALPN; the rest is the session's own and is set here.
bool ServerLayer::enter(const ServerContext::Impl& chosen) {
  SSL* const session = ssl();
  if (!SSL_set_SSL_CTX(session, chosen.context.get())) return false;
  SSL_set_options(session, chosen.options);
  ask_for_certificate(session, chosen.clients);
  if (chosen.session_timeout_s == 0 && SSL_set_num_tickets(session, 0) != 1) return false;
  return SSL_set_min_proto_version(session, chosen.protocols.lowest) == 1 &&
         SSL_set_max_proto_version(session, chosen.protocols.highest) == 1 &&
         SSL_set_session_id_context(session, chosen.session_scope.data(), SSL_MAX_SID_CTX_LENGTH) == 1;
}

SessionFacts ServerLayer::facts() const {
  SessionFacts out = Layer::facts();
  if (out.protocol.empty() || !context_ || context_->verify_client() == VerifyClient::off) return out;
  out.client = std::make_shared<const ClientProof>(ClientProof{context_, presented_certificate(ssl())});
  return out;
}

std::shared_ptr<const ServerContext> ServerContext::build(const ServerOptions& options, const SourcePlace& place,
                                                          Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  const Complaints complaints{place, diagnostics};
  ERR_clear_error();
  std::shared_ptr<ServerContext> made(new ServerContext);
  made->impl_ = std::make_unique<Impl>(options.session_timeout_s);
  Impl& impl = *made->impl_;
  impl.context.reset(SSL_CTX_new(TLS_server_method()));
  if (!impl.context) {
    complaints.error("KG602", cat("no TLS context can be made: ", take_error()));
    return nullptr;
  }
  SSL_CTX* const context = impl.context.get();
  apply_common_settings(context);
  impl.protocols = parse_protocols(options.protocols, complaints);
  if (options.prefer_server_ciphers) impl.options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
  if (impl.session_timeout_s == 0) impl.options |= SSL_OP_NO_TICKET;
  // Whatever the list says, there is no connection without a certificate or without encryption.
  if (SSL_CTX_set_cipher_list(context, cat(options.ciphers, ":!aNULL:!eNULL").c_str()) != 1) {
    complaints.error("KG606", cat("no cipher is left of \"", options.ciphers, "\": ", take_error()));
  }
  SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
  if (options.certificates.empty()) {
    complaints.error("KG607", "a TLS server has no certificate", "add ssl_certificate and ssl_certificate_key");
  }
  for (const auto& [certificate, key] : options.certificates) use_credential(context, certificate, key, complaints);
  impl.clients = options.clients;
  made->verify_client_ = options.clients.mode;
  prepare_verification(context, options.clients, complaints);
  ERR_clear_error();
  return diagnostics.error_count() == errors_before ? made : nullptr;
}

ServerContext::~ServerContext() = default;

std::unique_ptr<net::StreamLayer> make_server_layer(int descriptor, const ContextSource& source) {
  return std::make_unique<ServerLayer>(descriptor, source);
}

}  // namespace keepgate::tls

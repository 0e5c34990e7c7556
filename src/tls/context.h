// TLS server and client contexts: certificates, versions, SNI, verification; sessions as layers of a net::Stream.
//
// Built when the configuration is read; a file that cannot be used is a Diagnostic, never a surprise at the first
// connection. Thread rule: immutable after build, shared by all workers. Lifetime: a layer keeps its context alive.
//
// Of layers: no renegotiation, no compression, no early data, no resumption from one context into another. An end of
// the connection without close_notify is Io::failed, never Io::closed (truncation). Bytes are read and written only
// after the handshake. After want_write, or a write that took less than was offered, the next write must offer the
// rest, as net::write_all does. SIGPIPE is never raised. ALPN: http/1.1.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostics.h"
#include "crypto/certificate.h"
#include "net/stream.h"

namespace keepgate::tls {

// ssl_verify_client. Of anything but `off`, what a request may do with a bad or missing certificate is the reader's.
enum class VerifyClient : std::uint8_t { off = 0, on, optional, optional_no_ca };

struct ClientVerification {
  VerifyClient mode = VerifyClient::off;
  std::string authorities;  // ssl_client_certificate: trusted, and named to clients; PEM file.
  std::string trusted;      // ssl_trusted_certificate: trusted, and not named; PEM file.
  std::string revocations;  // ssl_crl, PEM file.
  int depth = 1;            // ssl_verify_depth: certificates between the client's and an authority's.
};

struct ServerOptions {
  std::vector<std::pair<std::string, std::string>> certificates;  // Pairs of certificate (chain) and key file, PEM.
  std::vector<std::string> protocols = {"TLSv1.2", "TLSv1.3"};    // nginx ssl_protocols. Older ones: a warning, off.
  std::string ciphers = "HIGH:!aNULL:!MD5";                       // nginx ssl_ciphers (TLS 1.2).
  bool prefer_server_ciphers = false;
  std::int64_t session_timeout_s = 300;  // How long a ticket is good for; 0: no resumption.
  ClientVerification clients;
};

class ServerContext {
 public:
  // nullptr when anything is wrong; every complaint is in `diagnostics`, at `place`.
  static std::shared_ptr<const ServerContext> build(const ServerOptions& options, const SourcePlace& place,
                                                    Diagnostics& diagnostics);
  ~ServerContext();
  VerifyClient verify_client() const { return verify_client_; }

 private:
  ServerContext() = default;
  VerifyClient verify_client_ = VerifyClient::off;
  friend class ServerLayer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Which context answers a server name: asked once per handshake with the client's SNI ("" if none, lower case).
// Returning nullptr refuses the handshake (unrecognized_name).
class ContextSource {
 public:
  virtual std::shared_ptr<const ServerContext> context_for(std::string_view server_name) const = 0;

 protected:
  ~ContextSource() = default;
};

// What a client proved in its handshake, and to whom.
struct ClientProof {
  std::shared_ptr<const ServerContext> asked_by;
  std::shared_ptr<const crypto::PresentedCertificate> certificate;  // nullptr: it showed none.
};

// What a finished handshake tells.
struct SessionFacts {
  std::string protocol;     // "TLSv1.3"
  std::string cipher;       // "TLS_AES_256_GCM_SHA384"
  std::string server_name;  // SNI, lower case; "" if none.
  bool resumed = false;
  std::shared_ptr<const ClientProof> client;  // Of a server that asks for certificates; else nullptr.
};

// `source` must outlive the handshake (the connection holds its snapshot).
std::unique_ptr<net::StreamLayer> make_server_layer(int descriptor, const ContextSource& source);
SessionFacts session_facts(const net::StreamLayer& layer);

struct ClientOptions {
  bool verify = false;              // proxy_ssl_verify; under strict a warning or error of the configuration.
  std::string trusted_certificate;  // proxy_ssl_trusted_certificate, PEM file; "": the system's.
  int verify_depth = 1;
  std::vector<std::string> protocols = {"TLSv1.2", "TLSv1.3"};
  bool send_server_name = false;             // proxy_ssl_server_name
  std::string certificate, certificate_key;  // proxy_ssl_certificate(_key): for mTLS to the upstream; may be "".
};

class ClientContext {
 public:
  static std::shared_ptr<const ClientContext> build(const ClientOptions& options, const SourcePlace& place,
                                                    Diagnostics& diagnostics);
  ~ClientContext();

 private:
  ClientContext() = default;
  friend class ClientLayer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `name`: what the certificate must be for (proxy_ssl_name), a DNS name or an IP address, and the SNI if asked. Only
// subjectAltName counts (RFC 9525 section 2: the common name identifies nobody). A name that is neither fails the
// handshake wherever it would be used.
std::unique_ptr<net::StreamLayer> make_client_layer(int descriptor, std::shared_ptr<const ClientContext> context,
                                                    const std::string& name);

}  // namespace keepgate::tls

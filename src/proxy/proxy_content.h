// proxy_pass: forwards a permitted request to an upstream and streams the answer back.
// Thread rule: immutable after configuration; serve() runs on the worker of the exchange.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/content.h"
#include "proxy/next_upstream.h"
#include "route/template.h"
#include "tls/context.h"
#include "upstream/group.h"

namespace keepgate::proxy {

// A PROXY header in front of every connection to the upstream (our `proxy_protocol`).
enum class ProxyHeaderVersion : std::uint8_t { off = 0, v1, v2 };

// Client-Cert and Client-Cert-Chain (RFC 9440) of a verified certificate (our `proxy_client_cert`).
enum class ClientCert : std::uint8_t { off = 0, leaf, chain };

struct Rewrites;

struct ProxyOptions {
  std::shared_ptr<const upstream::Group> group;
  bool has_uri = false;                      // proxy_pass with a URI part: the path is Permit::service_path(), encoded.
  std::string host;                          // $proxy_host: name and port as in proxy_pass, without a default port.
  std::uint16_t port = 80;                   // $proxy_port
  std::shared_ptr<const Rewrites> rewrites;  // proxy_redirect, proxy_cookie_*; nullptr: nothing is rewritten.
  route::Template bind;                      // proxy_bind: where connections come from; empty: the system's choice.
  bool bind_transparent = false;
  bool socket_keep_alive = false;  // proxy_socket_keepalive
  // proxy_set_header, outermost list that applies; an empty value drops the field. Host and Connection have defaults.
  std::vector<std::pair<std::string, route::Template>> set_headers;
  std::vector<std::string> hide_headers, pass_headers;  // proxy_hide_header, proxy_pass_header
  bool pass_request_headers = true, pass_request_body = true;
  std::int64_t connect_timeout_ms = 60'000;
  std::int64_t send_timeout_ms = 60'000;
  std::int64_t read_timeout_ms = 60'000;
  bool buffering = true;                           // proxy_buffering
  bool request_buffering = true;                   // proxy_request_buffering
  std::size_t buffers_bytes = 32 * 1024;           // proxy_buffers: what a slow client may keep in memory.
  std::size_t head_bytes_max = 32 * 1024;          // proxy_buffer_size, or this if that is less.
  std::uint64_t temp_file_bytes_max = 1ULL << 30;  // proxy_max_temp_file_size; 0: no file.
  std::string temp_path = "/var/tmp";              // proxy_temp_path
  std::uint64_t limit_rate = 0;                    // proxy_limit_rate: bytes per second; 0: no limit.
  bool ignore_client_abort = false;                // proxy_ignore_client_abort
  bool pass_trailers = false;                      // proxy_pass_trailers
  std::vector<std::string> ignore_headers;         // proxy_ignore_headers
  NextUpstream next_upstream;                      // proxy_next_upstream*
  bool intercept_errors = false;  // proxy_intercept_errors: answers ≥ 300 that have an error_page are replaced.
  std::shared_ptr<const tls::ClientContext> tls;  // https: never nullptr. http: nullptr.
  ProxyHeaderVersion proxy_header = ProxyHeaderVersion::off;
  ClientCert client_cert = ClientCert::off;
  std::string tls_name;  // proxy_ssl_name; default: the host of proxy_pass.
};

// Builds the content; computes what can be computed once (fixed fields, which request fields are overridden).
std::shared_ptr<const pipeline::Content> make_proxy_content(ProxyOptions options);

// For a proxy_pass with variables: group, host and TLS of `options` are made of `from` for each request.
struct VariableTarget;
std::shared_ptr<const pipeline::Content> make_proxy_content(ProxyOptions options,
                                                            std::shared_ptr<const VariableTarget> from);

}  // namespace keepgate::proxy

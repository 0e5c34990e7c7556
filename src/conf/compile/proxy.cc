// proxy_pass and what belongs to it.
#include "proxy/proxy_content.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/percent.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "http/status.h"

namespace keepgate::conf {

namespace {

// Names compare as the airlock does: letters and digits without case, everything else alike.
std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name) out.push_back(is_alpha(c) || is_digit(c) ? to_lower(c) : '-');
  return out;
}

}  // namespace

std::shared_ptr<const tls::ClientContext> Compiler::client_tls(const LevelOptions& options, const Word& at) {
  tls::ClientOptions client;
  client.verify = options.proxy_ssl_verify && options.proxy_ssl_verify->value;
  client.verify_depth = static_cast<int>(options.proxy_ssl_verify_depth.value_or(1));
  client.send_server_name = options.proxy_ssl_server_name.value_or(false);
  if (options.proxy_ssl_protocols) client.protocols = *options.proxy_ssl_protocols;
  if (options.proxy_ssl_trusted_certificate) {
    client.trusted_certificate = configuration_path(options.proxy_ssl_trusted_certificate->text);
  }
  if (options.proxy_ssl_certificate) client.certificate = configuration_path(options.proxy_ssl_certificate->text);
  if (options.proxy_ssl_certificate_key) {
    client.certificate_key = configuration_path(options.proxy_ssl_certificate_key->text);
    check_exposure(client.certificate_key, *options.proxy_ssl_certificate_key);
  }
  if (client.certificate.empty() != client.certificate_key.empty()) {
    error(code::missing_certificate, "'proxy_ssl_certificate' and 'proxy_ssl_certificate_key' belong together", at.at);
    return nullptr;
  }
  if (!client.verify) {
    const Position& place = options.proxy_ssl_verify ? options.proxy_ssl_verify->at : at.at;
    unsafe(code::unverified_upstream, "the upstream's certificate is not verified: anybody between can read and answer",
           place, "proxy_ssl_verify on; and proxy_ssl_trusted_certificate FILE;");
  }
  std::string key = cat(client.verify ? 1 : 0, '\n', client.trusted_certificate, '\n', client.verify_depth, '\n',
                        client.send_server_name ? 1 : 0, '\n', client.certificate, '\n', client.certificate_key);
  for (const std::string& protocol : client.protocols) append(key, '\n', protocol);
  if (const auto found = client_contexts_.find(key); found != client_contexts_.end()) return found->second;
  auto context = tls::ClientContext::build(client, sources_.place(at.at), diagnostics_);
  return client_contexts_.emplace(std::move(key), std::move(context)).first->second;
}

namespace {

// What "%xx" stands for; what is no escape, or a NUL, stays as it is.
std::string decoded_path(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = percent_byte(text, i);
    out.push_back(byte > 0 ? static_cast<char>(byte) : text[i]);
    if (byte > 0) i += 2;
  }
  return out;
}

}  // namespace

void Compiler::set_path_replacement(Location& out, const Level& level, const Target& target) {
  using route::LocationMatch;
  const LocationModel& location = *level.location;
  const bool fixed = location.match == LocationMatch::prefix || location.match == LocationMatch::prefix_no_regex ||
                     location.match == LocationMatch::exact;
  if (!fixed) {
    return error(code::bad_value,
                 "'proxy_pass' cannot have a URI part in a location given by a regular expression or a name",
                 location.proxy_pass->at, cat("write it without '", printable(target.uri, 60), "'"));
  }
  const std::size_t mark = target.uri.find('?');
  const std::string path = target.uri.substr(0, mark);
  out.path_replacement = pipeline::PathReplacement{location.pattern, decoded_path(path), std::nullopt};
  const auto is_visible = [](char c) { return c > ' ' && c < 0x7f; };
  if (out.path_replacement->uri != path && std::ranges::all_of(path, is_visible)) out.path_replacement->written = path;
  if (mark != std::string::npos) {
    out.path_replacement->query = target.uri.substr(mark + 1);
    return;
  }
  if (location.pattern.ends_with('/') == target.uri.ends_with('/') || location.match == LocationMatch::exact) return;
  warning(code::bad_value,
          cat("the matched '", printable(location.pattern), "' becomes '", printable(target.uri),
              "': one ends in '/' and the other does not"),
          location.proxy_pass->at, "what follows is glued on as it is; a path like '/api../' may escape");
}

// A field that tells a service who calls must come from something verified.
void Compiler::check_identity_header(const Level& level, const ProxyHeaderModel& header, const route::Template& value,
                                     bool jwt_verified) {
  if (!level.options.identity_headers) return;
  const bool listed = std::ranges::any_of(*level.options.identity_headers,
                                          [&](const Word& name) { return folded(name.text) == folded(header.name); });
  if (!listed) return;
  const std::string source = find_unverified(value, jwt_verified);
  if (source.empty()) return;
  unsafe(code::unverified_header,
         cat("identity header '", header.name, "' is set from ", source, ", which is not verified"), header.value.at,
         "use $identity_client, $identity_user or $identity_roles");
}

void Compiler::set_proxy_bodies(proxy::ProxyOptions& proxy, const LevelOptions& options) {
  proxy.buffering = options.proxy_buffering.value_or(true);
  proxy.request_buffering = options.proxy_request_buffering.value_or(true);
  if (options.proxy_buffers_bytes) proxy.buffers_bytes = *options.proxy_buffers_bytes;
  proxy.head_bytes_max = std::max<std::size_t>(proxy.head_bytes_max, options.proxy_buffer_size.value_or(0));
  if (options.proxy_max_temp_file_size) proxy.temp_file_bytes_max = *options.proxy_max_temp_file_size;
  if (options.proxy_temp_path) proxy.temp_path = temp_folder(*options.proxy_temp_path);
  proxy.limit_rate = options.proxy_limit_rate.value_or(0);
  proxy.pass_trailers = options.proxy_pass_trailers.value_or(false);
  proxy.ignore_headers = options.proxy_ignore_headers.value_or(std::vector<std::string>{});
}

void Compiler::set_bind(proxy::ProxyOptions& proxy, const LevelOptions& options) {
  proxy.socket_keep_alive = options.proxy_socket_keepalive.value_or(false);
  if (!options.proxy_bind || options.proxy_bind->off) return;
  const BindModel& model = *options.proxy_bind;
  proxy.bind = text(model.address);
  proxy.bind_transparent = model.transparent;
  if (out_->user && model.transparent) out_->user->binds_foreign_addresses = true;
  if (proxy.bind.is_literal() && !net::Address::ip_with_port(model.address.text)) {
    error(code::bad_value, cat("invalid address '", printable(model.address.text), "' in 'proxy_bind'"),
          model.address.at, "an IP address, perhaps with a port: 192.0.2.1, [2001:db8::1]:4000");
  }
}

void Compiler::set_next_upstream(proxy::ProxyOptions& proxy, const LevelOptions& options) {
  if (options.proxy_next_upstream) {
    proxy.next_upstream.failures = options.proxy_next_upstream->failures;
    proxy.next_upstream.non_idempotent = options.proxy_next_upstream->non_idempotent;
  }
  proxy.next_upstream.tries_max = options.proxy_next_upstream_tries.value_or(0);
  proxy.next_upstream.timeout_ms = options.proxy_next_upstream_timeout_ms.value_or(0);
  proxy.ignore_client_abort = options.proxy_ignore_client_abort.value_or(false);
}

// Without variables: what the target is, is known now.
bool Compiler::set_fixed_target(proxy::ProxyOptions& proxy, Location& out, const Level& level) {
  const Word& word = *level.location->proxy_pass;
  const LevelOptions& options = level.options;
  const std::optional<Target> target = parse_target(word);
  if (!target) return false;
  proxy.group = group_of(*target, word);
  proxy.has_uri = !target->uri.empty();
  if (proxy.has_uri) set_path_replacement(out, level, *target);
  const std::uint16_t default_port = target->tls ? 443 : 80;
  proxy.port = target->port.value_or(default_port);
  proxy.host = target->is_unix ? "localhost" : proxy.port == default_port ? target->host : target->authority;
  if (target->tls) {
    proxy.tls = client_tls(options, word);
    proxy.tls_name = options.proxy_ssl_name ? options.proxy_ssl_name->text
                     : target->is_unix      ? "localhost"
                                            : target->host;
    if (!proxy.tls) return false;
  }
  return proxy.group != nullptr;
}

void Compiler::compile_proxy(Location& out, const Level& level) {
  const Word& word = *level.location->proxy_pass;
  const LevelOptions& options = level.options;
  proxy::ProxyOptions proxy;
  std::shared_ptr<const proxy::VariableTarget> variable;
  const bool fixed = word.text.find('$') == std::string::npos;
  if (!fixed) variable = variable_target(out, level);
  const bool usable = variable || (fixed && set_fixed_target(proxy, out, level));
  proxy.rewrites = rewrites(out, level, fixed);
  set_bind(proxy, options);
  if (options.proxy_ssl_name && options.proxy_ssl_name->text.find('$') != std::string::npos) {
    error(code::not_built, "'proxy_ssl_name' with variables is not built yet", options.proxy_ssl_name->at);
  }
  for (const ProxyHeaderModel& header : options.proxy_set_headers.value_or(std::vector<ProxyHeaderModel>{})) {
    route::Template value = text(header.value);
    check_identity_header(level, header, value, claims_are_verified(out));
    proxy.set_headers.emplace_back(header.name, std::move(value));
  }
  set_client_cert(proxy, level);
  proxy.hide_headers = options.proxy_hide_headers.value_or(std::vector<std::string>{});
  proxy.pass_headers = options.proxy_pass_headers.value_or(std::vector<std::string>{});
  proxy.pass_request_headers = options.proxy_pass_request_headers.value_or(true);
  proxy.pass_request_body = options.proxy_pass_request_body.value_or(true);
  proxy.connect_timeout_ms = options.proxy_connect_timeout_ms.value_or(60'000);
  proxy.send_timeout_ms = options.proxy_send_timeout_ms.value_or(60'000);
  proxy.read_timeout_ms = options.proxy_read_timeout_ms.value_or(60'000);
  if (options.proxy_protocol) {
    constexpr proxy::ProxyHeaderVersion versions[] = {proxy::ProxyHeaderVersion::off, proxy::ProxyHeaderVersion::v1,
                                                      proxy::ProxyHeaderVersion::v2};
    proxy.proxy_header = versions[static_cast<std::size_t>(*options.proxy_protocol)];
  }
  proxy.intercept_errors = options.proxy_intercept_errors.value_or(false);
  set_proxy_bodies(proxy, options);
  set_next_upstream(proxy, options);
  if (!usable) return;
  if (variable) {
    if (level.location->health_check) {
      error(code::bad_value, "'health_check' needs a 'proxy_pass' without variables", level.location->health_check->at);
    }
    out.content = proxy::make_proxy_content(std::move(proxy), std::move(variable));
    return;
  }
  if (out.service.empty()) out.service = proxy.group->name;
  if (level.location->health_check) compile_health_check(level, proxy);
  out.content = proxy::make_proxy_content(std::move(proxy));
}

}  // namespace keepgate::conf

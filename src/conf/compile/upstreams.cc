// upstream { }, and the targets of proxy_pass.
#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "conf/compile/host_port.h"
#include "upstream/hash.h"
#include "upstream/host_lookup.h"

namespace keepgate::conf {

namespace {

constexpr int lookup_ms = 10'000;  // Of -t, for one name; the system's own timeouts may be longer.

upstream::Server server_of(const UpstreamServerModel& model) {
  upstream::Server out;
  out.name = model.address.text;
  out.weight = model.weight;
  out.fails_max = model.fails_max;
  out.fail_timeout_ms = model.fail_timeout_ms;
  out.conns_max = model.conns_max;
  out.slow_start_ms = model.slow_start_ms;
  out.backup = model.backup;
  out.down = model.down;
  return out;
}

}  // namespace

// While a configuration is only checked no name is looked up: the address then stands for "known when it runs".
std::vector<net::Address> Compiler::addresses_of(const Word& word, std::string_view host, std::uint16_t port) {
  if (const auto address = net::Address::ip(host, port)) return {*address};
  if (host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos) {
    error(code::bad_value, cat("invalid address '", printable(host), "'"), word.at);
    return {};
  }
  if (options_.check_only && !options_.looks_around) {
    return {*net::Address::ip(equals_ignoring_case(host, "localhost") ? "127.0.0.1" : "0.0.0.0", port)};
  }
  // What one server says of a name holds for all that name it: a missing one is waited for once.
  auto known = hosts_.find(host);
  if (known == hosts_.end()) {
    FoundHost asked;
    asked.addresses = options_.check_only ? upstream::look_up_host(host, lookup_ms, asked.why)
                                          : net::Address::resolve(host, 0, asked.why);
    known = hosts_.emplace(std::string(host), std::move(asked)).first;
  }
  const FoundHost& entry = known->second;
  if (entry.addresses.empty()) {
    error(code::unknown_host, cat("host not found in upstream '", printable(host), "': ", entry.why), word.at);
  }
  std::vector<net::Address> found;
  for (const net::Address& address : entry.addresses) found.push_back(address.with_port(port));
  return found;
}

bool Compiler::add_servers(upstream::Group& group, const UpstreamServerModel& model) {
  const std::string_view written = model.address.text;
  if (model.service && !model.resolve) {
    error(code::bad_parameter, cat("service upstream '", printable(written), "' requires 'resolve' parameter"),
          model.service->at);
    return false;
  }
  if (model.resolve && !written.starts_with("unix:")) {
    const HostPort parts = split_host(written);
    if (parts.valid && !net::Address::ip(parts.host, 0)) return add_named_server(group, model, parts);
  }
  std::vector<net::Address> addresses;
  if (written.starts_with("unix:")) {
    const auto address = net::Address::unix_path(prefix_path(std::string(written.substr(5))));
    if (written.size() > 5 && address) addresses = {*address};
    if (addresses.empty())
      error(code::bad_value, cat("invalid socket path in '", printable(written), "'"), model.address.at);
  } else if (const HostPort parts = split_host(written); parts.valid) {
    addresses = addresses_of(model.address, parts.host, parts.port.value_or(80));
  } else {
    error(code::bad_value, cat("invalid address '", printable(written), "' in upstream"), model.address.at,
          "HOST, HOST:PORT, [IPv6]:PORT or unix:PATH");
  }
  upstream::Server server = server_of(model);
  for (const net::Address& address : addresses) {
    server.address = address;
    group.servers.push_back(server);
  }
  return !addresses.empty();
}

// A name that is looked up while running, in nginx's words for what it needs.
bool Compiler::add_named_server(upstream::Group& group, const UpstreamServerModel& model, const HostPort& parts) {
  const std::string name = printable(group.name);
  if (!net::is_dns_name(parts.host)) {
    error(code::bad_value, cat("invalid host '", printable(parts.host), "' in upstream"), model.address.at);
    return false;
  }
  if (group.zone.empty()) {
    error(code::missing_section,
          cat("resolving names at run time requires upstream '", name, "' to be in shared memory"), model.address.at,
          "zone NAME SIZE; in the upstream");
    return false;
  }
  if (!group.resolver) {
    error(code::missing_section, cat("no resolver defined to resolve names at run time in upstream '", name, "'"),
          model.address.at, "resolver ADDRESS; in the upstream or in http");
    return false;
  }
  if (model.service && parts.port) {
    error(code::bad_value, cat("service upstream '", printable(model.address.text), "' may not have port"),
          model.service->at);
    return false;
  }
  upstream::NamedServer named;
  named.place = group.servers.size();
  named.host = parts.host;
  if (model.service) {
    const std::string& service = model.service->text;
    // One word is the service's own name; with a dot it is the whole prefix (nginx).
    named.service = service.find('.') == std::string::npos ? cat('_', service, "._tcp.", parts.host)
                                                           : cat(service, '.', parts.host);
    if (!net::is_dns_name(named.service)) {
      error(code::bad_value, cat("invalid service '", printable(service), "'"), model.service->at);
      return false;
    }
  }
  named.prototype = server_of(model);
  named.prototype.address = *net::Address::ip("0.0.0.0", parts.port.value_or(80));
  group.named.push_back(std::move(named));
  return true;
}

std::shared_ptr<const upstream::Group> Compiler::keep(upstream::Group group) {
  if (options_.previous) {
    for (const auto& old : options_.previous->groups) {
      if (!old->same_configuration(group)) continue;
      out_->groups.push_back(old);
      return old;
    }
  }
  return out_->groups.emplace_back(upstream::make_group(std::move(group)));
}

void Compiler::set_balancing(upstream::Group& group, const UpstreamModel& model) {
  if (model.method) group.method = *model.method;
  if (model.hash_key) group.hash_key = text(*model.hash_key);
  if (model.queue) std::tie(group.queue, group.queue_timeout_ms) = *model.queue;
  if (model.retries) group.retries = *model.retries;
  if (model.ejection) group.ejection = *model.ejection;
  if (group.method != upstream::Method::consistent_hash) return;
  std::size_t weight = 0;
  for (const upstream::Server& server : group.servers) weight += server.weight;
  if (weight * upstream::Ring::points_per_weight <= upstream::Ring::points_max) return;
  error(code::bad_value,
        cat("the weights in upstream '", printable(group.name), "' are too large for 'hash consistent'"), model.name.at,
        cat("together at most ", upstream::Ring::points_max / upstream::Ring::points_per_weight));
}

void Compiler::compile_upstreams() {
  (void)resolver(model_.http.resolver);  // Its mistakes are told also where nobody uses it.
  for (const auto& model : model_.upstreams) {
    upstream::Group group;
    group.name = model->name.text;
    if (model->zone) group.zone = model->zone->text;
    if (model->keepalive) group.keepalive = *model->keepalive;
    if (model->keepalive_requests) group.keepalive_requests = *model->keepalive_requests;
    if (model->keepalive_timeout_ms) group.keepalive_timeout_ms = *model->keepalive_timeout_ms;
    if (model->keepalive_time_ms) group.keepalive_time_ms = *model->keepalive_time_ms;
    group.resolver = resolver(model->resolver ? model->resolver : model_.http.resolver);
    group.resolver_timeout_ms =
        model->resolver_timeout_ms.value_or(model_.http.resolver_timeout_ms.value_or(group.resolver_timeout_ms));
    bool usable = !model->servers.empty();
    for (const UpstreamServerModel& server : model->servers) usable = add_servers(group, server) && usable;
    set_balancing(group, *model);
    const bool only_backup = std::ranges::all_of(model->servers, &UpstreamServerModel::backup);
    if (group.named.empty()) group.resolver = nullptr;
    if (usable && only_backup) {
      error(code::missing_section, cat("no servers that are not backup in upstream '", printable(group.name), "'"),
            model->name.at);
    }
    const std::string key = to_lower(group.name);
    upstream_blocks_.insert(key);
    if (usable) groups_.emplace(key, keep(std::move(group)));
  }
}

std::optional<Compiler::Target> Compiler::parse_target(const Word& word) {
  Target target;
  std::string_view rest = word.text;
  const auto skip = [&rest](std::string_view scheme) {
    if (!equals_ignoring_case(rest.substr(0, scheme.size()), scheme)) return false;
    rest.remove_prefix(scheme.size());
    return true;
  };
  target.tls = skip("https://");
  if (!target.tls && !skip("http://")) {
    error(code::bad_value, cat("invalid URL prefix in '", printable(word.text), "'"), word.at, "http:// or https://");
    return std::nullopt;
  }
  target.is_unix = rest.starts_with("unix:");
  if (target.is_unix) rest.remove_prefix(5);
  const std::size_t end = std::min(target.is_unix ? rest.find(':') : rest.find_first_of("/?"), rest.size());
  target.authority = rest.substr(0, end);
  target.uri = rest.substr(std::min(end + (target.is_unix ? 1 : 0), rest.size()));
  if (target.is_unix && !target.uri.empty() && !target.uri.starts_with('/')) {
    error(code::bad_value, "the URI behind a socket's path must begin with '/'", word.at, "http://unix:PATH:/uri/");
    return std::nullopt;
  }
  if (target.uri.find('#') != std::string::npos) {
    error(code::bad_value, "'proxy_pass' has a '#': fragments are not sent to servers", word.at);
    return std::nullopt;
  }
  if (target.uri.starts_with('?')) target.uri.insert(0, 1, '/');
  const HostPort parts = target.is_unix ? HostPort{target.authority, std::nullopt, !target.authority.empty()}
                                        : split_host(target.authority);
  if (!parts.valid) {
    error(code::bad_value, cat("invalid host or port in '", printable(word.text), "'"), word.at,
          "http://HOST[:PORT][/URI] or http://unix:PATH[:/URI]");
    return std::nullopt;
  }
  target.host = parts.host;
  target.port = parts.port;
  return target;
}

std::shared_ptr<const upstream::Group> Compiler::group_of(const Target& target, const Word& word) {
  const std::string name = to_lower(target.host);
  if (!target.is_unix && upstream_blocks_.contains(name)) {
    if (target.port) {
      error(code::bad_value, cat("upstream '", printable(target.host), "' may not have port ", *target.port), word.at);
      return nullptr;
    }
    const auto found = groups_.find(name);
    return found == groups_.end() ? nullptr : found->second;
  }
  const std::uint16_t port = target.port.value_or(target.tls ? 443 : 80);
  UpstreamServerModel server;
  server.address = word;
  server.address.text = target.is_unix ? cat("unix:", target.host) : cat(target.host, ':', port);
  const auto found = groups_.find(server.address.text);
  if (found != groups_.end()) return found->second;
  upstream::Group group;
  group.name = target.is_unix ? server.address.text : target.authority;
  if (!add_servers(group, server)) return nullptr;
  return groups_.emplace(server.address.text, keep(std::move(group))).first->second;
}

}  // namespace keepgate::conf

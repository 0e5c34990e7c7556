#include "cli/lookup.h"

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "conf/load.h"
#include "http/head.h"
#include "http/uri.h"
#include "pipeline/decide.h"

namespace keepgate::cli {

namespace {

using pipeline::ListenerConfig;
using pipeline::ServerConfig;
using pipeline::Snapshot;

// "8080", "*:8080", "127.0.0.1:8080", "unix:/run/x.sock".
bool listens_on(const ListenerConfig& listener, std::string_view wanted) {
  if (listener.address.text() == wanted) return true;
  if (wanted.starts_with("*:")) wanted.remove_prefix(2);
  const auto port = parse_unsigned<std::uint16_t>(wanted);
  return port && !listener.address.is_unix() && listener.address.port() == *port;
}

// No host is called so: who answers to it is the listener's default server.
constexpr std::string_view nobodys_host = "\x01";

const ListenerConfig* choose_listener(const Snapshot& snapshot, const Where& where) {
  for (const ListenerConfig& listener : snapshot.listeners) {
    if (!where.listen.empty()) {
      if (listens_on(listener, where.listen)) return &listener;
      continue;
    }
    if (where.host.empty()) continue;
    const std::uint32_t found = listener.names.find(where.host);
    if (found != listener.names.find(nobodys_host)) return &listener;
    if (equals_ignoring_case(snapshot.servers[found].name, where.host)) return &listener;
  }
  return nullptr;
}

// The first server of the file, unless --listen or --host names another.
const ServerConfig* choose_server(const Snapshot& snapshot, const Where& where) {
  if (const ListenerConfig* listener = choose_listener(snapshot, where)) {
    return &snapshot.servers[listener->names.find(where.host)];
  }
  if (!where.listen.empty()) {
    say(cat("keepgate: nothing listens on ", printable(where.listen, 100)));
    return nullptr;
  }
  if (snapshot.servers.empty()) {
    say("keepgate: the configuration has no server");
    return nullptr;
  }
  return snapshot.servers.data();
}

std::vector<std::string> addresses_of(const Snapshot& snapshot, const ServerConfig& server) {
  std::vector<std::string> out;
  for (const ListenerConfig& listener : snapshot.listeners) {
    const bool answers =
        listener.names.find(server.name) == server.index || listener.names.find(nobodys_host) == server.index;
    if (answers) out.push_back(listener.address.text());
  }
  return out;
}

std::string describe_return(const pipeline::ReturnAction& action) {
  if (action.status == 444) return "`return 444` closes the connection without an answer";
  return cat("`return ", action.status, "` answers everybody, before limits and credentials");
}

// The location, and what answers on the way there: the phases before `access`.
void find_location(Place& place, const Snapshot& snapshot) {
  const ServerConfig& server = *place.server;
  if (server.return_action) {
    place.early = {server.return_action->status, cat(describe_return(*server.return_action), " (server level)")};
    return;
  }
  const route::LocationTree::Found found = server.locations.find(place.path);
  place.steps = server.locations.explain(place.path);
  if (found.failed) {
    place.early = {500, "a location's regex reached its match limit"};
    return;
  }
  const pipeline::LocationConfig& chosen = snapshot.locations[found.location.value_or(server.own_location)];
  const auto& limit = chosen.method_limit;
  const bool is_other_method = limit && (limit->allowed & pipeline::method_bit(place.method)) == 0;
  const pipeline::LocationConfig& location = is_other_method ? snapshot.locations[limit->location] : chosen;
  place.location = &location;
  place.policy = location.policy;
  place.service = location.service;
  if (location.internal) {
    place.early = {404, "the location is internal: no client reaches it"};
  } else if (found.add_slash) {
    place.early = {301, cat("redirects everybody to ", printable(place.path), "/")};
  } else if (location.return_action) {
    place.early = {location.return_action->status, describe_return(*location.return_action)};
  }
}

void check_ambiguities(Place& place, std::uint16_t ambiguities) {
  const pipeline::LocationConfig& location = *place.location;
  const auto odd = static_cast<std::uint16_t>(ambiguities & ~location.allowed_ambiguities);
  if (place.early || !location.refuse_ambiguous_paths || odd == 0) return;
  place.early = {400,
                 cat("the path has ", http::describe_ambiguities(odd), ", which two programs may read differently")};
}

// As pipeline::prepare: `OPTIONS *` has no path.
http::Canonicalized canonical_path(std::string_view raw_path, bool merge_slashes, Arena& arena) {
  if (raw_path == "*") return {true, {raw_path}, 0, {}};
  return http::canonicalize({raw_path}, merge_slashes, arena);
}

std::expected<Place, int> find_in_configuration(const Where& where, std::string_view raw_path, Place place) {
  place.snapshot = load_configuration(where);
  if (!place.snapshot) return std::unexpected(exit_failure);
  place.server = choose_server(*place.snapshot, where);
  if (!place.server) return std::unexpected(exit_not_found);
  place.addresses = addresses_of(*place.snapshot, *place.server);
  place.host = where.host.empty() ? place.server->name : where.host;
  const http::Method method = http::method_of(place.method);
  if (method == http::Method::connect || method == http::Method::trace) {
    place.early = {405, "CONNECT and TRACE are not served"};
    return place;
  }
  Arena arena;
  const http::Canonicalized canonical = canonical_path(raw_path, place.server->merge_slashes, arena);
  if (!canonical.valid) {
    place.early = {400, cat("the path is not acceptable: ", canonical.reason)};
    return place;
  }
  place.path = canonical.path.text;
  place.ambiguities = http::describe_ambiguities(canonical.ambiguities);
  find_location(place, *place.snapshot);
  if (!place.location) return place;
  place.service_path = pipeline::service_path_of(*place.location, {place.path}, arena);
  check_ambiguities(place, canonical.ambiguities);
  return place;
}

std::expected<Place, int> find_in_policy(const Where& where, std::string_view raw_path, Place place) {
  place.policy = load_policy(where.policies);
  if (!place.policy) return std::unexpected(exit_failure);
  Arena arena;
  const http::Canonicalized canonical = canonical_path(raw_path, true, arena);
  if (!canonical.valid) {
    place.early = {400, cat("the path is not acceptable: ", canonical.reason)};
    return place;
  }
  place.path = place.service_path = canonical.path.text;
  place.ambiguities = http::describe_ambiguities(canonical.ambiguities);
  place.service = where.service;
  return place;
}

}  // namespace

void add_where(Arguments& arguments, Where& where) {
  arguments.option("-c,--config", "FILE", where.configuration,
                   "configuration (default: /etc/keepgate/keepgate.conf); PATH is what a client sends");
  arguments.option("-p,--prefix", "FOLDER", where.prefix, "where relative paths start (default: the file's folder)");
  arguments.option("--host", "NAME", where.host, "the Host that is asked for, to choose among servers");
  arguments.option("--listen", "ADDRESS", where.listen,
                   "port or address that is connected to (default: the first server)");
  arguments.option("--service", "NAME", where.service, "ask the policy alone; PATH is what this service sees");
  arguments.options("--policy", "FILE", where.policies, "policy files for --service");
  arguments.option("--output", "FORMAT", where.output, "table or json (default: table)");
}

std::string check_where(const Where& where) {
  if (where.output != "table" && where.output != "json") return "--output: table or json";
  if (!where.policy_only()) return {};
  if (!where.configuration.empty()) return "either -c, or --service and --policy";
  if (where.service.empty()) return "--service NAME is missing: which service do the policy's paths belong to?";
  if (where.policies.empty()) return "--policy FILE is missing";
  return {};
}

std::string check_method(std::string_view method) {
  std::string upper(method);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  // RFC 9110 §9.1: methods have a case. `get` is a method too, and never the one that is meant.
  if (upper == method || http::method_of(upper) == http::Method::other) return {};
  return cat("METHOD: '", method, "' is not '", upper, "': methods are case-sensitive");
}

void say_choice(const Where& where, const Place& place) {
  if (!place.snapshot || place.snapshot->servers.size() < 2 || !where.host.empty() || !where.listen.empty()) return;
  const std::string_view address = place.addresses.empty() ? std::string_view("?") : place.addresses.front();
  say(cat("note: the server on ", address, ", the first of ", place.snapshot->servers.size(),
          "; --listen or --host chooses another"));
}

void say_diagnostics(const Diagnostics& diagnostics) {
  const std::string text = diagnostics.render_text();
  if (!text.empty()) say(std::string_view(text).substr(0, text.size() - 1));
}

std::shared_ptr<const pipeline::Snapshot> load_configuration(const Where& where) {
  conf::LoadOptions options;
  options.file = where.configuration.empty() ? default_configuration : where.configuration;
  options.prefix = where.prefix;
  options.check_only = true;
  Diagnostics diagnostics;
  auto snapshot = conf::load(options, diagnostics);
  say_diagnostics(diagnostics);
  return snapshot;
}

std::shared_ptr<const policy::Policy> load_policy(const std::vector<std::string>& files) {
  std::vector<policy::Source> sources;
  for (const std::string& file : files) {
    constexpr std::size_t policy_bytes_max = std::size_t{16} << 20;
    Result<std::string> text = read_text(file, policy_bytes_max);
    if (!text) {
      say(cat("keepgate: ", text.error().detail));
      return nullptr;
    }
    sources.push_back({file, std::move(*text)});
  }
  Diagnostics diagnostics;
  auto policy = policy::Policy::load(sources, diagnostics);
  say_diagnostics(diagnostics);
  return policy;
}

std::expected<Place, int> find_place(const Where& where, std::string_view method, std::string_view path) {
  Place place;
  place.method = method;
  const std::string_view raw_path = path.substr(0, path.find('?'));
  return where.policy_only() ? find_in_policy(where, raw_path, std::move(place))
                             : find_in_configuration(where, raw_path, std::move(place));
}

std::string source_of(const pipeline::LocationConfig& location) {
  if (location.source_file.empty()) return {};
  return location.source_line == 0 ? location.source_file : cat(location.source_file, ':', location.source_line);
}

}  // namespace keepgate::cli

// Snapshot: the whole configuration, compiled, immutable, swapped in whole by a reload.
//
// Thread rule: immutable; shared by all workers through base/published.h. Everything a request points at (locations,
// policies, key sets, certificates) lives as long as the snapshot its connection holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/published.h"
#include "http/h1_parser.h"
#include "identity/replay.h"
#include "net/address.h"
#include "net/socket.h"
#include "pipeline/location.h"
#include "route/geo.h"
#include "route/location_tree.h"
#include "route/map.h"
#include "route/server_names.h"
#include "route/split_clients.h"
#include "tls/context.h"

namespace keepgate::upstream {
struct Group;
struct HealthCheck;
}  // namespace keepgate::upstream

namespace keepgate::oauth {
class Service;
struct Settings;
}  // namespace keepgate::oauth

namespace keepgate::auth {
class IntrospectionEndpoint;
struct RevocationSource;
class VerifiedPasswords;
}  // namespace keepgate::auth

namespace keepgate::issuer {
class RevocationFeed;
}

namespace keepgate::store {
class ApiKeyFile;
class RevocationFile;
class UserFile;
}  // namespace keepgate::store

namespace keepgate::pipeline {

struct ServerConfig {
  std::uint32_t index = 0;
  std::string name;  // First server_name; $server_name.
  route::LocationTree locations;
  std::uint32_t own_location = 0;                 // The server's own level, in Snapshot::locations.
  std::optional<ReturnAction> return_action;      // At server level: before a location is looked for.
  std::shared_ptr<const RewriteProgram> program;  // Likewise.
  identity::Airlock airlock;
  http::HeadLimits head_limits;
  std::int64_t client_header_timeout_ms = 60'000;
  bool merge_slashes = true;
  std::shared_ptr<const tls::ServerContext> tls;  // nullptr: no ssl listener has this server.
};

// A variable that requests fill: by `set` and auth_request_set, or with a named group.
struct Slot {
  std::string name;                            // Without '$'.
  std::optional<route::VariableRef> fallback;  // What it is until then: a map's, or $http_NAME; nothing: "".
};

struct ListenerConfig {
  net::Address address;
  bool tls = false;
  bool proxy_protocol = false;  // A PROXY header comes first.
  bool no_delay = true;         // tcp_nodelay of the default server.
  int backlog = 511;
  bool ipv6_only = true;
  net::SocketTuning tuning;
  route::ServerNames names;  // → index into Snapshot::servers.
};

struct ProcessUser {
  std::string name;
  unsigned user_id = 0, group_id = 0;
  bool binds_foreign_addresses = false;  // `proxy_bind … transparent`: keeps CAP_NET_RAW.
};

struct Snapshot {
  // The listener that a connection to `address` belongs to: its own, else the wildcard of its port. nullptr: none.
  const ListenerConfig* find_listener(const net::Address& address) const;

  bool logs_response_fields = false;  // A log or a map names $sent_http_… or $upstream_http_….
  std::vector<ListenerConfig> listeners;
  std::vector<ServerConfig> servers;
  std::vector<LocationConfig> locations;
  std::vector<route::Map> maps;
  std::vector<route::Geo> geos;
  std::vector<route::SplitClients> split_clients;
  std::vector<Slot> slots;
  std::vector<std::shared_ptr<limit::Zone>> limit_zones;     // Kept over a reload where name, size, rate and key agree.
  std::vector<std::shared_ptr<limit::ConnZone>> conn_zones;  // Likewise, where name, size and key agree.
  std::shared_ptr<identity::ReplayStore> replay;             // Kept over reloads.
  std::shared_ptr<identity::ReplayStore> proofs;             // Of DPoP, likewise: apart, so that none fills the other.
  std::shared_ptr<identity::ReplayStore> signatures;         // Of HTTP message signatures, likewise.
  std::vector<std::shared_ptr<const upstream::HealthCheck>> health_checks;
  std::vector<std::shared_ptr<const upstream::Group>> groups;     // The same object over reloads while nothing changed.
  std::vector<std::shared_ptr<store::ApiKeyFile>> api_key_files;  // The same object over reloads.
  std::vector<std::shared_ptr<const auth::IntrospectionEndpoint>> introspection;  // Likewise.
  std::vector<std::shared_ptr<store::UserFile>> user_files;                       // Likewise.
  std::shared_ptr<store::RevocationFile> revocation_file;                         // Likewise; nullptr: none.
  std::vector<std::shared_ptr<issuer::RevocationFeed>> revocation_feeds;          // Likewise.
  std::shared_ptr<const std::vector<auth::RevocationSource>> revocations;  // All of them; nullptr: nothing is revoked.
  std::shared_ptr<auth::VerifiedPasswords> passwords;                      // Kept over reloads.
  std::vector<std::shared_ptr<auth::Issuer>> issuers;                      // Likewise: with the keys that were fetched.
  // authorization_server; nullptr: there is none. The service is the same object over reloads, and starts with the
  // workers.
  std::shared_ptr<oauth::Service> authorization_service;
  std::shared_ptr<const oauth::Settings> authorization_settings;
  std::size_t token_cache_entries = 10'000;
  bool strict = false;
  std::string hash;  // SHA-256 of all configuration text, hex: $config in logs and status.

  // Process-wide settings; what cannot change by a reload keeps its old value.
  unsigned worker_count = 1;
  unsigned worker_connections = 512;
  std::int64_t shutdown_timeout_ms = -1;  // -1: none.
  std::uint64_t open_files_max = 0;       // worker_rlimit_nofile; 0: as the program was started.
  // Processors that a worker may run on, by its number; the last is for all further ones. Empty: the kernel decides.
  std::vector<std::vector<unsigned>> worker_processors;
  std::optional<int> worker_priority;
  std::optional<ProcessUser> user;  // Only when root reads the configuration.
  bool daemon = true;
  std::string pid_file;
  std::string error_log_path;
  LogLevel error_log_level = LogLevel::error;
  std::vector<std::string> policy_files, configuration_files;  // As read; for `policy test` and messages.
};

}  // namespace keepgate::pipeline

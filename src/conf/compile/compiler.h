// From the Model to the Snapshot: what the directives mean together, and what is wrong or unsafe about them.
//
// One class, one file per subject: names.cc (variables, maps), upstreams.cc, keys.cc (keys, policies, logs), access.cc,
// limits.cc, proxy.cc, answers.cc, levels.cc, locations.cc, listeners.cc, compile.cc (order of the steps).
// Thread rule: one owner, one use. Lifetime: borrows all it is given; what it makes belongs to the Snapshot.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conf/compile/host_port.h"
#include "conf/load.h"
#include "conf/model.h"
#include "pipeline/snapshot.h"
#include "upstream/group.h"

namespace keepgate::upstream {
struct HealthCheck;
}
namespace keepgate::pipeline {
struct Condition;
struct Rewrite;
}  // namespace keepgate::pipeline
namespace keepgate::proxy {
struct ProxyOptions;
struct RewriteRule;
struct Rewrites;
struct VariableTarget;
using UpstreamNames = std::map<std::string, std::shared_ptr<const upstream::Group>, std::less<>>;
}  // namespace keepgate::proxy

namespace keepgate::store {
class ApiKeyFile;
class UserFile;
}  // namespace keepgate::store

namespace keepgate::oauth {
struct Client;
}

namespace keepgate::conf {

struct OauthClientModel;

// Where relative paths start.
struct Folders {
  std::string configuration;  // Of the main file: includes, keys, certificates, policies, as in nginx.
  std::string prefix;         // -p, or the same: logs, the pid file, sockets; and what is not in the other.
};

class MapNames final : public route::VariableNames {
 public:
  std::optional<std::uint32_t> map_index(std::string_view name) const override;
  std::optional<route::VariableRef> jwt_path(std::string_view name) const override;
  std::optional<route::VariableRef> defined(std::string_view name) const override;
  std::optional<std::uint32_t> capture(std::string_view name) const override;
  std::optional<std::uint32_t> slot(std::string_view group) const;
  void define(const std::string& name, route::VariableRef reference) {
    defined_.insert_or_assign(name, std::move(reference));
  }
  bool numbered = true;  // $1 to $9 are names too.
  void add(const std::string& name, std::uint32_t index) { indexes_.emplace(name, index); }
  void add_jwt_path(const JwtPathModel& model);

 private:
  std::map<std::string, route::VariableRef, std::less<>> jwt_paths_, defined_;
  std::map<std::string, std::uint32_t, std::less<>> indexes_;
};

class Compiler {
 public:
  Compiler(const LoadOptions& options, const Folders& folders, const Sources& sources, Diagnostics& diagnostics,
           Model& model);
  // nullptr with any error.
  std::shared_ptr<const pipeline::Snapshot> compile();

 private:
  using Location = pipeline::LocationConfig;
  using LocationNumber = std::uint32_t;

  // Of the level being compiled.
  struct Level {
    const LevelOptions& options;
    const ServerModel& server;
    const LocationModel* location;  // nullptr: the server's own level.
    const Position& at;
    bool is_internal() const;
    std::string described() const;
  };

  // What one map depends on, for the checks.
  struct MapFacts {
    std::vector<route::VariableRef> source, values;
    bool has_exact_letters = false;  // Exact keys in which case would matter.
    Position exact_at;
  };

  // What a slot may hold.
  struct SlotFacts {
    std::vector<route::VariableRef> values;
    bool is_chosen_by_client = false;  // A group took it, or an unverified token said so.
  };

  struct Target {  // Of a proxy_pass.
    bool tls = false;
    bool is_unix = false;
    std::string host;  // Without brackets' port; of a socket its path.
    std::optional<std::uint16_t> port;
    std::string uri;
    std::string authority;  // As written.
  };

  struct Listener {
    pipeline::ListenerConfig config;
    std::vector<std::uint32_t> servers;
    std::vector<bool> says_ssl;
    std::optional<std::uint32_t> default_server;
    Position at;
    bool has_options = false;
    bool deferred = false;
  };

  struct PendingLog {
    LocationNumber location = 0;
    std::string path;
    std::shared_ptr<const logs::AccessFormat> format;  // nullptr: a decision log.
    Position at;
    std::optional<route::Template> condition;
  };

  // Complaints.
  bool is_news(std::string_view code, std::string_view message, const Position& at);
  void error(std::string_view code, std::string message, const Position& at, std::string help = {});
  void warning(std::string_view code, std::string message, const Position& at, std::string help = {});
  void unsafe(std::string_view code, std::string message, const Position& at, std::string help = {});

  // compile.cc
  void compile_process();
  void compile_user();
  void compile_affinity();
  void open_logs();
  bool logs_name_response_fields() const;
  void check_log_folders();
  void make_temp_folders();
  void finish_hash();
  std::string configuration_path(const std::string& path) const;
  std::string prefix_path(const std::string& path) const;
  std::string temp_folder(const Word& path);
  bool read_text(const std::string& path, std::size_t bytes_max, std::string& text, std::string& why);

  // names.cc
  void compile_maps();
  void compile_map(const MapModel& model, route::Map& map, MapFacts& facts);
  void add_map_entry(const MapModel& model, const MapEntryModel& entry, route::Map& map, MapFacts& facts);
  void check_map_cycles();
  bool map_reaches_itself(std::uint32_t index, std::vector<std::uint8_t>& state);
  route::Template text(const Word& word);
  std::optional<route::VariableRef> variable(const Word& word);
  // The first variable, also behind maps, for which `matches` holds; "" if none.
  using Matches = std::function<bool(route::Variable)>;
  std::string find_variable(const route::Template& value, const Matches& matches) const;
  std::string find_variable(const route::VariableRef& reference, const Matches& matches,
                            std::set<std::uint32_t>& seen) const;
  std::string find_in_slot(std::uint32_t index, const Matches& matches, std::set<std::uint32_t>& seen) const;
  std::string find_unverified(const route::Template& value, bool jwt_verified) const;
  std::string find_unverified(const route::VariableRef& reference, bool jwt_verified) const;

  // slots.cc
  void name_slots();
  void note_slots();
  std::uint32_t add_slot(const std::string& name, const Position& at);
  void add_groups(std::string_view pattern, const Position& at);
  void add_slots(const std::vector<StepModel>& steps);
  void add_slots(const std::vector<std::unique_ptr<LocationModel>>& locations);
  void note_values(const std::vector<StepModel>& steps);
  void note_values(const std::vector<std::unique_ptr<LocationModel>>& locations);
  void note_values(const LevelOptions& options);
  bool bind_groups(route::Regex& regex, const Position& at);
  void report_groups(const Position& at);
  void compile_geos();

  // rewrite.cc
  std::optional<pipeline::ReturnAction> lone_return(const std::vector<StepModel>& steps);
  std::shared_ptr<const pipeline::RewriteProgram> program(const std::vector<StepModel>& steps, const Location& location,
                                                          const Level& level);
  void add_steps(pipeline::RewriteProgram& out, const std::vector<StepModel>& steps, const Location& location,
                 const Level& level, bool under_condition);
  void add_if(pipeline::RewriteProgram& out, const StepModel& model, const Location& location, const Level& level);
  std::uint32_t inner_level(LocationModel& inner, std::string_view what, const Level& level);
  std::optional<pipeline::Rewrite> rewrite_rule(const StepModel& model);
  std::optional<pipeline::Condition> condition(const ConditionModel& model, const Level& level);
  void warn_of_identity(const Word& word, std::string_view directive);
  void check_condition(const Word& word, const Level& level);
  void check_conditional_return(const StepModel& model, const Location& location, const Level& level);
  void compile_inner(LocationModel& model, const Level& level);

  // limits.cc
  void compile_zones();
  std::shared_ptr<limit::Zone> kept_zone(const ZoneModel& model, const route::Template& key) const;
  std::shared_ptr<limit::ConnZone> kept_conn_zone(const ZoneModel& model, const route::Template& key) const;
  bool counts_after_auth(const route::Template& key, const Word& zone, bool asked_for);
  void compile_limits(Location& out, const Level& level);
  void compile_conn_limits(Location& out, const Level& level);

  // upstreams.cc
  void compile_upstreams();
  std::vector<net::Address> addresses_of(const Word& word, std::string_view host, std::uint16_t port);
  bool add_servers(upstream::Group& group, const UpstreamServerModel& model);
  void set_balancing(upstream::Group& group, const UpstreamModel& model);
  bool add_named_server(upstream::Group& group, const UpstreamServerModel& model, const HostPort& parts);
  std::shared_ptr<const upstream::Group> keep(upstream::Group group);
  std::optional<Target> parse_target(const Word& word);
  std::shared_ptr<const upstream::Group> group_of(const Target& target, const Word& word);

  // resolvers.cc
  std::shared_ptr<const net::ResolverOptions> resolver(const std::optional<ResolverModel>& model);

  // proxy.cc
  void compile_proxy(Location& out, const Level& level);
  bool set_fixed_target(proxy::ProxyOptions& proxy, Location& out, const Level& level);
  void set_proxy_bodies(proxy::ProxyOptions& proxy, const LevelOptions& options);
  void set_next_upstream(proxy::ProxyOptions& proxy, const LevelOptions& options);
  void set_path_replacement(Location& out, const Level& level, const Target& target);
  std::shared_ptr<const tls::ClientContext> client_tls(const LevelOptions& options, const Word& at);
  void check_identity_header(const Level& level, const ProxyHeaderModel& header, const route::Template& value,
                             bool jwt_verified);

  void set_bind(proxy::ProxyOptions& proxy, const LevelOptions& options);

  // answers.cc
  enum class Letters : std::uint8_t { by_star = 0, without_case };
  enum class RewriteKind : std::uint8_t { beginning = 0, domain };
  std::optional<route::Regex> rewrite_regex(const Word& word, Letters letters);
  std::vector<proxy::RewriteRule> rewrite_rules(const std::optional<RewritesModel>& model, RewriteKind kind);
  proxy::RewriteRule default_redirect(const Location& out, const Level& level);
  std::vector<proxy::RewriteRule> redirect_rules(const Location& out, const Level& level, bool fixed);
  std::shared_ptr<const proxy::Rewrites> rewrites(const Location& out, const Level& level, bool fixed);

  // variable_target.cc
  std::shared_ptr<const proxy::VariableTarget> variable_target(Location& out, const Level& level);
  bool check_fixed_authority(const proxy::VariableTarget& target, const Word& word);
  bool check_target_uri(const Location& out, const proxy::VariableTarget& target, const Word& word);
  std::string find_chosen_by_client(const route::Template& value) const;
  std::string find_chosen_by_client(const route::VariableRef& reference, std::set<std::uint32_t>& seen) const;
  std::shared_ptr<const proxy::UpstreamNames> upstream_names();

  // health.cc
  void compile_health_check(const Level& level, const proxy::ProxyOptions& proxy);
  std::string probe_request(const HealthCheckModel& model, const proxy::ProxyOptions& proxy);
  void set_judge(upstream::HealthCheck& check, const MatchModel* match, const proxy::ProxyOptions& proxy);
  const MatchModel* match_named(const std::optional<Word>& name);
  std::optional<route::Regex> match_regex(const Word& word);

  // issuers.cc
  void compile_issuers(auth::JwtOptions& jwt, const Level& level);
  std::shared_ptr<auth::Issuer> issuer(const JwtIssuerModel& model);
  std::shared_ptr<const std::string> authorities(const Word& file);
  void report_unused_issuers();

  // introspection.cc
  static bool claims_are_verified(const Location& out);  // $jwt_claim_… where it is decided.
  void compile_introspection(Location& out, const Level& level);
  std::shared_ptr<const auth::IntrospectionEndpoint> introspection_endpoint(const IntrospectModel& model);
  std::shared_ptr<const std::string> client_secret(const Word& file);

  // http_signatures.cc
  void compile_http_signature(Location& out, const Level& level);
  // subrequests.cc
  void compile_auth_request(Location& out, const Level& level);
  std::shared_ptr<auth::RequestedKeys> requested_keys(const auth::JwtOptions& jwt, const Level& level);
  void check_subrequests(const ServerModel& model, const pipeline::ServerConfig& server);

  // keys.cc
  std::shared_ptr<const crypto::KeySet> key_set(const std::vector<Word>& files, bool errors);
  std::shared_ptr<const crypto::Key> signing_key(const Word& file);
  std::shared_ptr<const policy::Policy> policy(const std::vector<Word>& files);
  void check_exposure(const std::string& path, const Word& word);

  // api_keys.cc
  std::shared_ptr<store::ApiKeyFile> api_key_file(const ApiKeyFileModel& model);
  void compile_api_key(Location& out, const Level& level);

  // passwords.cc
  std::shared_ptr<store::UserFile> user_file(const Word& word);
  void compile_basic(Location& out, const Level& level);

  // authorization_server.cc
  void compile_authorization_server(const AuthorizationModel& model);
  void set_authorization_address(const AuthorizationModel& model, oauth::Settings& settings);
  void set_authorization_times(const AuthorizationModel& model, oauth::Settings& settings);
  void add_authorization_clients(const AuthorizationModel& model, oauth::Settings& settings);
  void add_authorization_users(const AuthorizationModel& model, oauth::Settings& settings);
  void add_trusted_issuers(const AuthorizationModel& model, oauth::Settings& settings);
  void check_authorization_targets(const AuthorizationModel& model, const oauth::Settings& settings);
  std::shared_ptr<oauth::Service> authorization_service(const AuthorizationModel& model);
  std::optional<std::string> first_line(const Word& file, std::string_view what);
  bool read_client_files(const OauthClientModel& model, oauth::Client& client);

  // revocations.cc
  void compile_revocations();
  void compile_revocation_file(std::vector<auth::RevocationSource>& sources);
  std::shared_ptr<issuer::RevocationFeed> revocation_feed(const RevocationFeedModel& model);

  // access.cc
  void compile_jwt(Location& out, const Level& level);
  void check_token_form(auth::JwtOptions& jwt, const Level& level);
  std::vector<auth::Requirement> requirements(const std::optional<std::vector<JwtRequireModel>>& models);
  void compile_identity(Location& out, const Level& level);
  void compile_transaction(Location& out, const Level& level);
  void compile_authorize(Location& out, const Level& level);
  void check_access(const Location& out, const Level& level);
  static bool asks_for_credential_at(const Location& location);
  std::uint64_t verifier_id(const auth::JwtOptions& jwt);

  // levels.cc
  void compile_level(Location& out, const Level& level);
  void compile_core(Location& out, const Level& level);
  void set_stub_status(Location& out, const Level& level);
  void compile_real_ip(Location& out, const Level& level);
  void compile_addresses(Location& out, const Level& level);
  void compile_error_pages(Location& out, const Level& level);
  void compile_logs(const Location& out, const Level& level);
  pipeline::ReturnAction return_action(const ReturnModel& model);
  std::shared_ptr<const logs::AccessFormat> log_format(const std::optional<Word>& name);
  std::string workload_of(const ServerModel& server) const;

  // locations.cc
  void compile_formats();
  void compile_server(ServerModel& model);
  void compile_locations(std::vector<std::unique_ptr<LocationModel>>& models, const LevelOptions& outer,
                         const ServerModel& server, std::vector<route::LocationRule>& rules);
  void build_tree(const ServerModel& model, std::vector<route::LocationRule> rules, pipeline::ServerConfig& server);
  void set_redirects(const std::vector<std::unique_ptr<LocationModel>>& models, pipeline::ServerConfig& server);
  void check_error_pages(const ServerModel& model, const pipeline::ServerConfig& server);
  void set_server_options(const ServerModel& model, pipeline::ServerConfig& server);

  // client_certificates.cc
  static tls::VerifyClient verify_client(const LevelOptions& options);
  tls::ClientVerification client_verification(const LevelOptions& options);
  void compile_certificate_identity(Location& out, const Level& level);
  void set_client_cert(proxy::ProxyOptions& proxy, const Level& level);

  // listeners.cc
  void compile_listeners();
  void add_listen(std::uint32_t server, const ListenModel& model);
  std::vector<net::Address> listen_addresses(const Word& word);
  void add_to_listener(Listener& listener, std::uint32_t server, const ListenModel& model, bool first);
  void finish_listener(Listener& listener);
  void add_names(Listener& listener);
  void compile_tls(const Listener& listener);

  const LoadOptions& options_;
  const Folders& folders_;
  const Sources& sources_;
  Diagnostics& diagnostics_;
  Model& model_;
  bool strict_ = false;
  std::shared_ptr<pipeline::Snapshot> out_;

  bool clients_verified_ = false;  // Of the server being compiled: their certificates can be relied on.
  // Of the level being compiled: $remote_user is whom a password proved, wherever the request goes on.
  bool user_verified_ = false;
  std::set<const ServerModel*> chain_servers_;  // `proxy_client_cert chain` somewhere in them.
  MapNames names_;
  std::vector<MapFacts> map_facts_;
  std::vector<SlotFacts> slot_facts_;
  std::map<std::string, std::size_t, std::less<>> zones_;       // → model_.zones, out_->limit_zones.
  std::map<std::string, std::size_t, std::less<>> conn_zones_;  // → model_.conn_zones, out_->conn_zones.
  std::set<std::string> zones_warned_;
  std::map<std::string, std::shared_ptr<const logs::AccessFormat>, std::less<>> formats_;
  std::map<std::string, std::shared_ptr<const upstream::Group>> groups_;  // By lower-case name or address.
  std::vector<std::shared_ptr<const net::ResolverOptions>> resolvers_;
  std::shared_ptr<const proxy::UpstreamNames> upstream_names_;
  std::set<std::string> upstream_blocks_;  // Which of them are blocks.
  std::map<std::string, std::shared_ptr<const crypto::KeySet>> key_sets_;
  std::map<std::string, std::shared_ptr<const crypto::Key>> signing_keys_;
  std::map<std::string, std::shared_ptr<const policy::Policy>> policies_;
  std::map<std::string, std::shared_ptr<const tls::ClientContext>> client_contexts_;
  struct Verifier {
    std::shared_ptr<const crypto::KeySet> keys;
    std::shared_ptr<const auth::RequestedKeys> requested;
    std::vector<auth::AcceptedIssuer> issuers;
    auth::TokenForm form;
    std::int64_t leeway_s;
    auth::IdentityClaims claims;
    std::uint64_t id;
  };
  std::vector<Verifier> verifiers_;
  std::vector<std::pair<std::uint32_t, std::shared_ptr<auth::RequestedKeys>>> requested_keys_;  // By server.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<Position, bool>> issuers_used_;   // By file and offset.
  struct FoundHost {
    std::vector<net::Address> addresses;
    std::string why;
  };
  std::map<std::string, FoundHost, std::less<>> hosts_;
  std::vector<PendingLog> pending_logs_;
  std::vector<std::pair<std::string, Position>> temp_folders_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::string, Listener*> listener_by_address_;
  std::string hashed_;  // Texts whose digest names the snapshot, each behind its name and length.
  std::set<std::string> exposure_checked_, policies_read_, complaints_;
};

}  // namespace keepgate::conf

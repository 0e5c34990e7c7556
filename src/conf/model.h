// The configuration as written, one struct per level: what the directives said, not yet what it means.
//
// A field without a value was not set at its level. Strings with variables stay text until all maps are known. Lists
// follow nginx's rule: a level with any of the directive inherits none. Thread rule: one owner; plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/api_key_credential.h"
#include "auth/jwt_open.h"
#include "auth/options.h"
#include "base/cidr.h"
#include "base/log.h"
#include "conf/source.h"
#include "crypto/jwk.h"
#include "route/location_tree.h"
#include "tls/context.h"
#include "upstream/group.h"

namespace keepgate::conf {

template <typename T>
struct Placed {
  T value{};
  Position at;
};

struct ReturnModel {
  std::uint16_t status = 0;
  std::optional<Word> text;
  Position at;
};

struct ErrorPageModel {
  std::uint16_t status = 0;
  Word target;
  bool take_status_of_target = false;
  std::uint16_t new_status = 0;
};

struct AddHeaderModel {
  std::string name;
  Word value;
  bool always = false;
};

struct AccessLogModel {
  Word path;
  std::optional<Word> format, condition;
};
struct AccessLogsModel {
  bool off = false;  // Wins over files named at the same level, as in nginx.
  std::vector<AccessLogModel> files;
};

struct LimitModel {
  Word zone;
  std::uint64_t burst = 0;
  std::uint64_t delay = 0;
  bool nodelay = false;
  bool after_auth = false;
};

struct ConnLimitModel {
  Word zone;
  std::uint32_t most = 0;
  bool after_auth = false;
};

struct TrustedPeerModel {
  bool is_unix = false;
  Cidr network;
  Position at;
};

struct AddressRuleModel {
  bool allows = false;
  bool is_unix = false, is_everybody = false;
  Cidr network;
};

struct AuthJwtModel {
  bool off = false;
  Word realm;
  std::optional<Word> token;  // "$cookie_x"
  Position at;
};

struct ApiKeyModel {
  bool off = false;
  Word realm;
  std::vector<auth::ApiKeyPlace> places;
  Position at;
};

struct ApiKeyFileModel {
  Word path;
  std::optional<std::string> secret;
};

struct AuthBasicModel {
  bool off = false;
  Word realm;
  Position at;
};

struct JwtIssuerModel {
  Word issuer;
  std::optional<Word> keys;  // A URL or a file; absent: discovery.
  std::vector<std::string> audiences;
  std::vector<crypto::Algorithm> algorithms;
  bool only_access_tokens = false;
  bool allow_private = false, allow_plain = false;
  std::optional<Word> authorities;
  std::int64_t refresh_ms = 600'000, keep_ms = 3'600'000;
};

struct IntrospectModel {
  bool off = false;
  Word url;
  std::optional<Word> client_id, secret_file, authorities;
  std::string issuer;  // "": not demanded.
  std::vector<std::string> audiences;
  std::string realm;
  bool allow_private = false, allow_plain = false;
  std::int64_t cache_ms = 0, timeout_ms = 3'000;
  Position at;
};

struct RevocationFeedModel {
  Word url;
  std::optional<Word> client_id, secret_file, authorities, cache;
  bool allow_private = false, allow_plain = false, is_optional = false;
  std::int64_t wait_s = 30;
  Position at;
};

struct HttpSignatureModel {
  bool off = false;
  Word keys;
  std::vector<std::string> components;  // As Signature-Input writes them, without quotes where there are no parameters.
  std::int64_t max_age_s = 300, leeway_s = 5;
  bool once = false;
  std::string label, tag;  // "": any.
  std::string realm;
  Position at;
};

struct JwtRequireModel {
  std::vector<Word> values;
  std::uint16_t status = 401;
};

struct AssignmentModel {    // auth_request_set
  std::uint32_t index = 0;  // In Model::assigned.
  Word value;
};

struct MirrorsModel {
  bool off = false;
  std::vector<Word> uris;
};

struct IdentityClaimsModel {
  std::optional<std::vector<std::string>> client, user, roles, scopes;
};

enum class AuthorizeSetting : std::uint8_t { on = 0, shadow, off };

enum class TransactionSetting : std::uint8_t { off = 0, issue, require };
struct TransactionModel {
  TransactionSetting setting = TransactionSetting::off;
  std::int64_t ttl_s = 30;
  std::vector<std::pair<std::string, Word>> claims;
  bool bind_request = false, bind_caller = false;
  bool single_use = false;
  std::vector<std::string> from;
  Position at;
};

enum class ProxyProtocolSetting : std::uint8_t { off = 0, v1, v2 };

enum class LingeringSetting : std::uint8_t { on = 0, always, off };

struct CertificateIdentityModel {
  bool on = false;
  auth::CertificateName name = auth::CertificateName::san_uri;
  Position at;
};

enum class ClientCertSetting : std::uint8_t { off = 0, leaf, chain };

struct OptionalFile {
  bool off = false;
  Word path;
};

struct NextUpstreamModel {
  std::uint16_t failures = 0;  // Bits of proxy::Failure.
  bool non_idempotent = false;
};

struct ProxyHeaderModel {
  std::string name;
  Word value;
};

struct RewriteModel {  // proxy_redirect and proxy_cookie_*.
  Word from;
  std::vector<Word> to;  // Of `proxy_redirect default`: none.
};
struct RewritesModel {
  bool off = false;
  std::vector<RewriteModel> rules;
};

struct BindModel {
  bool off = false;
  Word address;
  bool transparent = false;
};

struct ResolverModel {
  std::vector<Word> addresses;
  std::optional<std::int64_t> valid_ms;
  bool ipv4 = true, ipv6 = true;
  Position at;
};

struct MatchStatusModel {
  bool negated = false;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> ranges;  // First and last; none: any status.
};

enum class MatchOperator : std::uint8_t { present = 0, absent, equal, not_equal, regex, not_regex };

struct MatchHeaderModel {
  Word name;
  MatchOperator how = MatchOperator::present;
  Word value;
};

struct MatchModel {
  Word name;
  std::optional<MatchStatusModel> status;
  std::vector<MatchHeaderModel> headers;
  std::optional<Word> body;  // A regular expression.
  bool body_negated = false;
  std::vector<Word> require;
};

struct HealthCheckModel {
  std::int64_t interval_ms = 5'000;
  std::int64_t jitter_ms = 0;
  unsigned fails = 1, passes = 1;
  std::optional<Word> uri, match;
  std::optional<std::uint16_t> port;
  bool mandatory = false, persistent = false;
  Position at;
};

// Directives that http, server and location levels may hold and that are inherited. model.cc lists them all.
struct LevelOptions {
  // Of a server: taken from its own level.
  std::optional<std::int64_t> client_header_timeout_ms;
  std::optional<std::uint64_t> client_header_buffer_size;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> large_client_header_buffers;  // Number, size.
  std::optional<bool> merge_slashes, underscores_in_headers;
  std::optional<std::vector<Word>> identity_headers;
  std::optional<std::vector<Word>> ssl_certificates, ssl_certificate_keys;
  std::optional<std::vector<std::string>> ssl_protocols;
  std::optional<std::string> ssl_ciphers;
  std::optional<bool> ssl_prefer_server_ciphers;
  std::optional<std::int64_t> ssl_session_timeout_s;
  std::optional<Placed<tls::VerifyClient>> ssl_verify_client;
  std::optional<Word> ssl_client_certificate, ssl_trusted_certificate, ssl_crl;
  std::optional<std::uint32_t> ssl_verify_depth;

  // Core.
  std::optional<std::string> default_type, charset;
  std::optional<std::map<std::string, std::string, std::less<>>> types;  // By extension, in lower case.
  std::optional<std::uint64_t> client_max_body_size;
  std::optional<std::int64_t> client_body_timeout_ms, send_timeout_ms, keepalive_timeout_ms;
  std::optional<std::int64_t> keepalive_header_s, keepalive_min_timeout_ms, keepalive_time_ms;
  std::optional<std::uint32_t> keepalive_requests;
  std::optional<LingeringSetting> lingering;
  std::optional<std::int64_t> lingering_time_ms, lingering_timeout_ms;
  std::optional<bool> reset_timedout, tcp_nodelay, absolute_redirect;
  std::optional<std::vector<ErrorPageModel>> error_pages;
  std::optional<std::vector<AddHeaderModel>> add_headers;
  std::optional<AccessLogsModel> access_logs;
  std::optional<OptionalFile> decision_log;

  // Clients' addresses.
  std::optional<std::vector<TrustedPeerModel>> real_ip_from;
  std::optional<std::string> real_ip_header;
  std::optional<bool> real_ip_recursive;

  // Bodies.
  std::optional<std::uint64_t> client_body_buffer_size, proxy_buffers_bytes, proxy_buffer_size;
  std::optional<std::uint64_t> proxy_max_temp_file_size, proxy_limit_rate;
  std::optional<Word> client_body_temp_path, proxy_temp_path, limit_rate, limit_rate_after;
  std::optional<bool> proxy_buffering, proxy_request_buffering, proxy_pass_trailers;

  // Limits.
  std::optional<std::vector<LimitModel>> limits;
  std::optional<std::uint16_t> limit_status;
  std::optional<LogLevel> limit_log_level;
  std::optional<bool> limit_dry_run, limit_headers;
  std::optional<std::vector<ConnLimitModel>> conn_limits;
  std::optional<std::uint16_t> conn_status;
  std::optional<LogLevel> conn_log_level;
  std::optional<bool> conn_dry_run;

  // Access.
  std::optional<std::vector<AddressRuleModel>> address_rules;  // allow, deny: one list, in order.
  std::optional<bool> satisfy_any;
  std::optional<OptionalFile> auth_request;  // `path` is a URI.
  std::optional<std::vector<AssignmentModel>> assignments;
  std::optional<MirrorsModel> mirrors;
  std::optional<bool> mirror_request_body;
  std::optional<ApiKeyModel> auth_api_key;
  std::optional<ApiKeyFileModel> api_key_file;
  std::optional<bool> api_key_forward;
  std::optional<AuthBasicModel> auth_basic;
  std::optional<Word> basic_user_file;
  std::optional<bool> basic_forward;
  std::optional<AuthJwtModel> auth_jwt;
  std::optional<std::vector<Word>> jwt_key_files, jwt_key_requests;  // A level with either inherits neither.
  std::optional<std::int64_t> jwt_key_cache_ms;
  std::optional<std::int64_t> jwt_leeway_s;
  std::optional<Placed<auth::TokenForm>> jwt_form;
  std::optional<std::vector<JwtRequireModel>> jwt_requires, auth_requires;
  std::optional<std::int64_t> auth_delay_ms;
  std::optional<bool> dpop_over_tls;
  std::optional<std::vector<JwtIssuerModel>> jwt_issuers;
  std::optional<IntrospectModel> auth_introspect;
  std::optional<HttpSignatureModel> auth_http_signature;
  std::optional<OptionalFile> auth_identity;  // `path` is "$variable".
  std::optional<CertificateIdentityModel> auth_certificate;
  std::optional<IdentityClaimsModel> identity_claims;
  std::optional<std::vector<Word>> policies;
  std::optional<Placed<AuthorizeSetting>> authorize;
  std::optional<Word> service;
  std::optional<TransactionModel> transaction;
  std::optional<Word> transaction_key;
  std::optional<std::vector<Word>> transaction_key_files;

  // Proxy.
  std::optional<ProxyProtocolSetting> proxy_protocol;
  std::optional<Placed<ClientCertSetting>> proxy_client_cert;
  std::optional<BindModel> proxy_bind;
  std::optional<bool> proxy_socket_keepalive;
  std::optional<RewritesModel> proxy_redirect, proxy_cookie_domain, proxy_cookie_path, proxy_cookie_flags;
  std::optional<std::vector<ProxyHeaderModel>> proxy_set_headers;
  std::optional<std::vector<std::string>> proxy_hide_headers, proxy_pass_headers;
  std::optional<bool> proxy_pass_request_headers, proxy_pass_request_body, proxy_intercept_errors;
  std::optional<std::int64_t> proxy_connect_timeout_ms, proxy_send_timeout_ms, proxy_read_timeout_ms;
  std::optional<NextUpstreamModel> proxy_next_upstream;
  std::optional<std::uint32_t> proxy_next_upstream_tries;
  std::optional<std::int64_t> proxy_next_upstream_timeout_ms;
  std::optional<bool> proxy_ignore_client_abort;
  std::optional<std::vector<std::string>> proxy_ignore_headers;
  std::optional<Placed<bool>> proxy_ssl_verify;
  std::optional<bool> proxy_ssl_server_name;
  std::optional<Word> proxy_ssl_trusted_certificate, proxy_ssl_name, proxy_ssl_certificate, proxy_ssl_certificate_key;
  std::optional<std::uint32_t> proxy_ssl_verify_depth;
  std::optional<std::vector<std::string>> proxy_ssl_protocols;

  // Names that are resolved while running.
  std::optional<ResolverModel> resolver;
  std::optional<std::int64_t> resolver_timeout_ms;
  std::optional<std::int64_t> health_check_timeout_ms;
};

// Gives `inner` whatever it has not set itself, by nginx's rules, and applies what `authorize off` cancels: credentials
// that an outer level asks for are not asked for where this level says `authorize off` and names none of its own.
void inherit(LevelOptions& inner, const LevelOptions& outer);

struct LocationModel;

struct ConditionModel {
  enum class Kind : std::uint8_t { is_true = 0, equal, matches };
  Kind kind = Kind::is_true;
  bool negated = false, ignores_case = false;
  Word variable, value;
};

// if, set, rewrite, break and return, in the order in which they are written.
struct StepModel {
  enum class Kind : std::uint8_t { return_ = 0, set, rewrite, break_, if_ };
  enum class Flag : std::uint8_t { none = 0, last, break_, redirect, permanent };
  Kind kind = Kind::return_;
  Position at;
  ReturnModel action;
  std::string name;  // set: lower case, without '$'.
  Word subject;      // set: the variable as written; rewrite: the regular expression.
  Word value;        // set, rewrite.
  Flag flag = Flag::none;
  ConditionModel condition;
  std::vector<StepModel> block;          // if
  std::unique_ptr<LocationModel> inner;  // if, in a location: what holds from then on.
};

struct MethodLimitModel {
  std::uint32_t allowed = 0;  // Bits of pipeline::method_bit().
  std::unique_ptr<LocationModel> inner;
};

struct LocationModel {
  Position at;
  std::string written;  // "^~ /1.0/"
  route::LocationMatch match = route::LocationMatch::prefix;
  std::string pattern;
  LevelOptions options;
  bool internal = false;
  std::optional<ReturnModel> return_action;  // The first that stands under no condition.
  std::vector<StepModel> steps;
  std::optional<MethodLimitModel> limit_except;
  std::optional<Position> stub_status;
  bool is_inner = false;  // Of `if` or `limit_except`: the same location with other settings.
  std::optional<Word> proxy_pass;
  std::optional<HealthCheckModel> health_check;
  std::vector<std::unique_ptr<LocationModel>> nested;
  std::uint32_t index = 0;  // In Snapshot::locations; set when compiled.
};

struct KeepAliveModel {  // so_keepalive; 0: the system's value.
  bool on = false;
  int idle_s = 0, interval_s = 0, count = 0;
};

struct ListenModel {
  Word address;
  bool default_server = false;
  bool ssl = false;
  bool has_socket_options = false;  // Of these nginx wants them in one place per address.
  std::optional<int> backlog;
  std::optional<bool> ipv6_only;
  bool proxy_protocol = false;
  bool deferred = false;
  std::optional<int> receive_buffer_bytes, send_buffer_bytes, fast_open_queue;
  std::optional<KeepAliveModel> keep_alive;
};

struct ServerModel {
  Position at;
  LevelOptions options;
  std::vector<ListenModel> listens;
  std::vector<Word> names;
  std::optional<ReturnModel> return_action;
  std::vector<StepModel> steps;
  std::vector<std::unique_ptr<LocationModel>> locations;
  bool issues_tokens = false;  // An authorization_server: inherits nothing of http.
};

struct UpstreamServerModel {
  Word address;
  unsigned weight = 1;
  unsigned fails_max = 1;
  std::int64_t fail_timeout_ms = 10'000;
  unsigned conns_max = 0;
  std::int64_t slow_start_ms = 0;
  bool backup = false;
  bool down = false;
  bool resolve = false;
  std::optional<Word> service;
};

struct UpstreamModel {
  Word name;
  std::optional<Word> zone;
  std::vector<UpstreamServerModel> servers;
  std::optional<std::uint32_t> keepalive, keepalive_requests;
  std::optional<std::int64_t> keepalive_timeout_ms, keepalive_time_ms;
  std::optional<upstream::Method> method;
  std::optional<Word> hash_key;
  std::optional<std::pair<unsigned, std::int64_t>> queue;  // Places, timeout in milliseconds.
  std::optional<upstream::RetryBudgetOptions> retries;
  std::optional<upstream::EjectionOptions> ejection;
  std::optional<ResolverModel> resolver;
  std::optional<std::int64_t> resolver_timeout_ms;
};

struct MapEntryModel {
  Word key, value;
};
struct MapModel {
  Word source;
  Word variable;     // As written.
  std::string name;  // Lower case, without '$'.
  bool hostnames = false, is_volatile = false;
  std::optional<Word> default_value;
  std::vector<MapEntryModel> entries;
};

struct GeoEntryModel {
  Word key;
  std::string value;
  bool removes = false;
};
struct GeoModel {
  std::optional<Word> source;
  Word variable;
  std::string name;  // Lower case, without '$'.
  bool by_ranges = false;
  std::string default_value;
  std::vector<GeoEntryModel> entries;
};

struct SplitClientsModel {
  Word source;
  Word variable;
  std::string name;
  std::vector<std::pair<std::uint32_t, Word>> groups;  // Share in hundredths of a percent, 0: the rest; value.
};

// auth_jwt_claim_set and auth_jwt_header_set: a variable for a value deeper down in the token.
struct JwtPathModel {
  Word variable;
  std::string name;  // Lower case, without '$'.
  bool in_header = false;
  std::string path;  // Names of members from the top, route::path_separator between them.
};

struct ZoneModel {
  Word key;
  Word name;
  std::uint64_t size_bytes = 0;
  std::uint64_t rate_milli = 1000;
};

struct LogFormatModel {
  Word name;
  std::string escape;
  std::string text;
  Position at;
};

struct MainModel {
  std::optional<bool> strict, daemon, master_process;
  std::optional<unsigned> worker_processes;
  std::optional<std::uint32_t> worker_connections;
  std::optional<std::int64_t> worker_shutdown_timeout_ms;
  std::optional<std::uint64_t> worker_rlimit_nofile;
  std::optional<std::string> pid, error_log;
  std::optional<int> worker_priority;
  std::vector<Word> worker_cpu_affinity;
  std::vector<Word> user;  // A name, and perhaps a group.
  LogLevel error_log_level = LogLevel::error;
  bool has_events = false, has_http = false;
};

struct AuthorizationModel;

struct Model {
  static constexpr std::size_t levels_max = 100'000;  // Servers and locations together.
  std::size_t level_count = 0;
  MainModel main;
  LevelOptions http;
  std::optional<Word> trust_domain;
  std::optional<Word> store;                                 // Of the main level.
  std::shared_ptr<AuthorizationModel> authorization_server;  // nullptr: there is none.
  std::optional<std::uint64_t> token_cache_entries;
  std::optional<Word> revocations;  // The file.
  std::vector<RevocationFeedModel> revocation_feeds;
  std::vector<std::unique_ptr<UpstreamModel>> upstreams;
  std::vector<std::unique_ptr<ServerModel>> servers;
  std::vector<MapModel> maps;
  std::vector<GeoModel> geos;
  std::vector<SplitClientsModel> split_clients;
  std::vector<MatchModel> matches;
  std::vector<JwtPathModel> jwt_paths;
  std::vector<Word> assigned;  // Variables of auth_request_set, each once: lower case, without '$'.
  std::vector<ZoneModel> zones, conn_zones;
  std::vector<LogFormatModel> formats;
};

}  // namespace keepgate::conf

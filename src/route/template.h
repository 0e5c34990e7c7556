// Variables and strings with variables ("$host:$arg_x"), compiled once and evaluated per request.
//
// Every name is resolved when the configuration is read; an unknown variable is a configuration error, never an empty
// string at run time. A variable knows whether its value is verified. Thread rule: immutable after compilation.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"

namespace keepgate::route {

// Variables with a fixed name have an own number; families ($http_NAME …) carry their NAME; `map` variables an index.
// clang-format off: one name a line would be sixty lines.
enum class Variable : std::uint16_t {
  none = 0,
  // nginx's.
  args,
  arg_,
  body_bytes_sent,
  bytes_sent,
  binary_remote_addr,
  connection,
  connection_requests,
  content_length,
  content_type,
  cookie_,
  document_uri,
  host,
  hostname,
  http_,
  https,
  is_args,
  limit_req_status,
  msec,
  nginx_version,
  pid,
  proxy_add_x_forwarded_for,
  proxy_host,
  proxy_port,
  query_string,
  remote_addr,
  remote_port,
  remote_user,
  request,
  request_completion,
  request_id,
  request_length,
  request_method,
  request_time,
  request_uri,
  scheme,
  sent_http_,
  server_addr,
  server_name,
  server_port,
  server_protocol,
  ssl_cipher,
  ssl_protocol,
  ssl_server_name,
  status,
  time_iso8601,
  time_local,
  upstream_addr,
  upstream_http_,
  upstream_response_time,
  upstream_connect_time,
  upstream_header_time,
  upstream_status,
  uri,
  upstream_bytes_received,
  upstream_bytes_sent,
  upstream_response_length,
  ssl_client_cert,
  ssl_client_escaped_cert,
  ssl_client_fingerprint,
  ssl_client_i_dn,
  ssl_client_raw_cert,
  ssl_client_s_dn,
  ssl_client_serial,
  ssl_client_v_end,
  ssl_client_v_remain,
  ssl_client_v_start,
  ssl_client_verify,
  ssl_session_reused,
  connection_time,
  limit_conn_status,
  pipe,
  proxy_protocol_addr,
  proxy_protocol_port,
  proxy_protocol_server_addr,
  proxy_protocol_server_port,
  realip_remote_addr,
  realip_remote_port,
  connections_active,
  connections_reading,
  connections_waiting,
  connections_writing,
  // Of what is not done here: always empty.
  gzip_ratio,
  http2,
  ssl_early_data,
  upstream_cache_status,
  // NGINX Plus's.
  jwt_claim_,
  jwt_header_,
  jwt_payload,
  // Ours (design: configuration).
  client_id,
  decision_id,
  decision_rule,
  decision_verdict,
  identity_assurance,
  identity_client,
  identity_method,
  identity_roles,
  identity_user,
  policy_hash,
  transaction_id,
  // Defined by the configuration.
  map_,              // VariableRef::index is the index of the map in the snapshot.
  jwt_claim_path_,   // auth_jwt_claim_set: VariableRef::argument is the path of names, separated by path_separator.
  jwt_header_path_,  // auth_jwt_header_set, likewise.
  capture_,          // What a regular expression took of its subject; VariableRef::index is the number of the group.
  slot_,             // `set` and named groups: VariableRef::index is the slot in the exchange.
  geo_,              // VariableRef::index is the index of the geo block in the snapshot.
  split_clients_,    // Likewise of the split_clients block.
};
// clang-format on

inline constexpr char path_separator = '\x1f';

constexpr bool reads_jwt(Variable variable) {
  return variable == Variable::jwt_claim_ || variable == Variable::jwt_header_ || variable == Variable::jwt_payload ||
         variable == Variable::jwt_claim_path_ || variable == Variable::jwt_header_path_;
}

// What is known once decide() has run, and empty before.
constexpr bool reads_identity(Variable variable) {
  return variable == Variable::client_id || variable == Variable::identity_client ||
         variable == Variable::identity_user || variable == Variable::identity_roles ||
         variable == Variable::identity_method || variable == Variable::identity_assurance ||
         variable == Variable::transaction_id;
}

// What a client's certificate says: verified where the server asks for one that somebody vouches for.
constexpr bool reads_client_certificate(Variable variable) {
  return variable >= Variable::ssl_client_cert && variable <= Variable::ssl_client_v_start;
}

struct VariableRef {
  Variable variable = Variable::none;
  std::uint32_t index = 0;  // Which map, group, slot, geo or split_clients.
  std::string argument;     // Families: NAME in lower case with '_' as written ("x_api_key" for $http_x_api_key).
  bool operator==(const VariableRef&) const = default;
};

// One row per variable: the reference page and the checks of `verified` read it.
struct VariableRow {
  std::string_view name;  // Without '$'; a family ends in '_'.
  Variable variable;
  bool verified;  // May a decision rely on it? (From a verified credential, or of our own making.)
  std::string_view summary;
};
std::span<const VariableRow> variable_table();

// Where a Template gets values from: the exchange of a request, or a fake in a test.
// The view lives at least until the request ends. Absent variables are "".
class VariableSource {
 public:
  virtual std::string_view variable(const VariableRef& reference) = 0;

 protected:
  ~VariableSource() = default;
};

// What names a configuration adds: its maps, by name without '$'.
class VariableNames {
 public:
  virtual std::optional<std::uint32_t> map_index(std::string_view name) const = 0;
  // What auth_jwt_claim_set and auth_jwt_header_set define; nothing for other names.
  virtual std::optional<VariableRef> jwt_path(std::string_view /*name*/) const { return std::nullopt; }
  // What set, auth_request_set, named groups, geo and split_clients define; nothing for other names. `name` is in lower
  // case.
  virtual std::optional<VariableRef> defined(std::string_view /*name*/) const { return std::nullopt; }
  // "1" to "9", or the name of a group of the one regular expression before the text: its number.
  virtual std::optional<std::uint32_t> capture(std::string_view /*name*/) const { return std::nullopt; }

 protected:
  ~VariableNames() = default;
};

// "http_x_api_key" → {http_, "x_api_key"}. Nothing if no such variable exists.
std::optional<VariableRef> resolve_variable(std::string_view name, const VariableNames& names);

class Template {
 public:
  Template() = default;

  // `text` as written after unquoting; $name, ${name}; $1–$9 where `names` has captures. On failure
  // `error` says why in one sentence and the result is empty.
  static std::optional<Template> compile(std::string_view text, const VariableNames& names, std::string& error);
  static Template literal(std::string_view text);

  bool is_literal() const { return parts_.empty() || (parts_.size() == 1 && !parts_[0].is_variable()); }
  bool empty() const { return parts_.empty(); }
  const std::string& text() const { return text_; }  // As written.
  // The value: a view into this template, into the source's values or into the arena.
  std::string_view evaluate(VariableSource& source, Arena& arena) const;

  struct Part {
    std::string literal;
    VariableRef reference;  // variable == none: the literal.
    bool is_variable() const { return reference.variable != Variable::none; }
    bool operator==(const Part&) const = default;
  };
  std::span<const Part> parts() const { return parts_; }
  // A template names maps by number: two that were written alike are the same only if the numbers are.
  bool operator==(const Template& other) const { return parts_ == other.parts_; }
  bool uses_unverified_jwt_claim() const;  // Any $jwt_*: verified only after the access phase.

 private:
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace keepgate::route

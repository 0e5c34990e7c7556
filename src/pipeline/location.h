// LocationConfig: everything that holds for one location after inheritance, as plain values.
//
// A server's own level is a LocationConfig too: it answers before a location is found and when none matches.
// Thread rule: immutable once in a Snapshot. This header knows no sockets, TLS or upstreams: a decision reads it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/options.h"
#include "identity/airlock.h"
#include "identity/transaction_token.h"
#include "limit/limit_conn.h"
#include "limit/limit_req.h"
#include "policy/policy.h"
#include "route/template.h"

namespace keepgate::logs {
class LogFile;
struct AccessFormat;
}  // namespace keepgate::logs

namespace keepgate::pipeline {

class Content;
struct RealIpOptions;
struct RewriteProgram;

// `return CODE [TEXT]`, `return CODE URL`, `return URL` (design: nginx-semantics §8).
struct ReturnAction {
  std::uint16_t status = 0;  // 444 closes without an answer.
  route::Template text;      // Body, or the Location of 301, 302, 303, 307, 308.
  bool has_text = false;
};

struct ErrorPage {
  std::uint16_t status = 0;  // The code it is for.
  route::Template target;    // URI, "@name" or an absolute URL.
  bool named = false;
  bool take_status_of_target = false;  // `=`
  std::uint16_t new_status = 0;        // `=N`; 0: keep the code.
};

struct AddHeader {
  std::string name;
  route::Template value;
  bool always = false;
};

struct AccessLog {
  std::shared_ptr<logs::LogFile> file;
  std::shared_ptr<const logs::AccessFormat> format;
  std::optional<route::Template> condition;  // `if=`: not logged where it is empty or "0".
};

// `limit_except`: other methods than these have a location of their own. Bits of method_bit().
struct MethodLimit {
  std::uint32_t allowed = 0;
  std::uint32_t location = 0;  // In Snapshot::locations; for all others.
};

std::uint32_t method_bit(std::string_view method);  // 0: not one that nginx knows.

using ContentTypes = std::map<std::string, std::string, std::less<>>;  // By extension, in lower case.

// What proxy_pass does to the path: the part of the canonical path that `location` matched is replaced by `uri`.
struct PathReplacement {
  std::string matched;
  std::string uri;  // Its path, percent-decoded.
  // proxy_pass http://up/path?query: as in nginx what follows the matched part then goes behind the query.
  std::optional<std::string> query;
  // Its path as it goes out, where that is not `uri` encoded again ("%2F"); else empty.
  std::string written = {};
};

// lingering_close: whether to read on, for a while, what a client still sends when its connection is to be closed.
enum class Lingering : std::uint8_t { on = 0 /* if it seems to send */, always, off };

// auth_request_set: what the answer of the operator's service makes of a variable.
struct Assignment {
  std::uint32_t slot = 0;  // In Snapshot::slots.
  route::Template value;   // Of the subrequest.
};

enum class Authorize : std::uint8_t {
  required = 0,  // A policy must allow; without a policy: refused.
  shadow,        // Asked and logged; never refuses.
  off,           // `authorize off`, or nginx's behaviour where no policy is in effect and strict is off.
};

struct LocationConfig {
  std::uint32_t index = 0;
  std::string pattern;  // "^~ /1.0/", "@400", "server": as written, for explain and logs.
  std::string source_file;
  std::uint32_t source_line = 0;
  bool internal = false;
  bool strict = false;
  // Keepgate's own directives are in effect here (a policy, a transaction token): refusals are problem+json, have ids.
  bool keepgate_features = false;

  // Post-read phase, and again in front of preaccess, where the location is known.
  std::shared_ptr<const RealIpOptions> real_ip;  // nullptr: nobody is trusted.

  // When it is found: other methods go elsewhere.
  std::optional<MethodLimit> method_limit;

  // Rewrite phase: `return` alone, or a program of if, set, rewrite, break and return.
  std::optional<ReturnAction> return_action;
  std::shared_ptr<const RewriteProgram> program;

  // Preaccess phase.
  std::vector<limit::Limit> limits;
  // End of the access phase: `after=auth`, and every limit whose key is a verified identity.
  std::vector<limit::Limit> identity_limits;
  std::uint16_t limit_status = 503;
  LogLevel limit_log_level = LogLevel::error;  // Delays one level lower.
  bool limit_dry_run = false;
  bool limit_headers = false;  // limit_req_headers on
  std::vector<limit::ConnLimit> conn_limits;
  std::vector<limit::ConnLimit> identity_conn_limits;  // Behind the access phase, likewise.
  std::uint16_t conn_status = 503;
  LogLevel conn_log_level = LogLevel::error;
  bool conn_dry_run = false;

  // Access phase.
  auth::AuthOptions auth;
  std::vector<auth::Requirement> requirements;  // auth_require
  std::vector<Assignment> assignments;          // auth_request_set
  std::int64_t auth_delay_ms = 0;               // A 401 of the access phase waits so long.
  std::shared_ptr<const policy::Policy> policy;
  Authorize authorize = Authorize::required;
  std::string service;  // The name the policy knows this API by.
  identity::TransactionOptions transaction;
  // Paths that mean different things to different programs are refused (400) before anything is decided: on where a
  // policy or a bound transaction token decides.
  bool refuse_ambiguous_paths = false;
  std::uint16_t allowed_ambiguities = 0;  // Bits of http::Ambiguity that the location allows by name.

  // Where copies of what was let pass are sent (mirror), and whether with its body.
  std::vector<std::string> mirrors;
  bool mirror_body = true;

  // Content phase.
  std::shared_ptr<const Content> content;  // nullptr: 404.
  std::optional<PathReplacement> path_replacement;
  std::string default_type = "text/plain";
  std::shared_ptr<const ContentTypes> types;  // nullptr: nginx's three.
  std::string charset;                        // Of our own texts; empty: none is named.
  bool absolute_redirect = true;
  std::uint64_t client_body_bytes_max = 1 << 20;  // 0: no limit.
  std::int64_t client_body_timeout_ms = 60'000;
  std::size_t client_body_buffer_bytes = 16 * 1024;  // What of a stored body stays in memory.
  std::string client_body_temp_path = "/var/tmp";    // Where the rest goes.
  std::int64_t send_timeout_ms = 60'000;
  std::int64_t keepalive_timeout_ms = 75'000;  // 0: close after each answer.
  std::int64_t keepalive_min_timeout_ms = 0;
  std::int64_t keepalive_time_ms = 3'600'000;
  std::uint32_t keepalive_requests = 1000;
  std::string keepalive_lines;  // With keepalive_timeout's second argument: the fields that tell the client.
  Lingering lingering = Lingering::on;
  std::int64_t lingering_time_ms = 30'000, lingering_timeout_ms = 5'000;
  bool reset_timedout = false;

  // Respond and record.
  route::Template limit_rate, limit_rate_after;  // Bytes per second, bytes; empty: no limit.
  std::vector<ErrorPage> error_pages;
  std::vector<AddHeader> add_headers;
  std::vector<AccessLog> access_logs;
  std::shared_ptr<logs::LogFile> decision_log;
};

}  // namespace keepgate::pipeline

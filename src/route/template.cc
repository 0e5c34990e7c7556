#include "route/template.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/diagnostics.h"

namespace keepgate::route {

namespace {

using enum Variable;

// `verified` is false for whatever a client, or an upstream, can choose freely, and for claims of a token that may not
// have been checked yet. Rows are in alphabetical order of their names.
constexpr VariableRow rows[] = {
    {"arg_", arg_, false, "The argument NAME of the query string."},
    {"args", args, false, "The query string."},
    {"binary_remote_addr", binary_remote_addr, true, "The client's address in 4 or 16 bytes; the key of most limits."},
    {"body_bytes_sent", body_bytes_sent, true, "Bytes sent to the client, without the response head."},
    {"bytes_sent", bytes_sent, true, "Bytes sent to the client."},
    {"client_id", client_id, true, "The client of the verified identity; empty without one."},
    {"connection", connection, true, "The serial number of the connection."},
    {"connection_requests", connection_requests, true, "How many requests the connection has carried."},
    {"connection_time", connection_time, true, "Seconds with milliseconds since the connection was accepted."},
    {"connections_active", connections_active, true, "Connections of clients that are open."},
    {"connections_reading", connections_reading, true, "Of these: those whose request is being read."},
    {"connections_waiting", connections_waiting, true, "Of these: those between two requests."},
    {"connections_writing", connections_writing, true, "Of these: those whose request is being answered."},
    {"content_length", content_length, false, "The request's Content-Length."},
    {"content_type", content_type, false, "The request's Content-Type."},
    {"cookie_", cookie_, false, "The cookie NAME."},
    {"decision_id", decision_id, true, "The number of the decision on this request, as in the decision log."},
    {"decision_rule", decision_rule, true, "The policy rule that determined the decision."},
    {"decision_verdict", decision_verdict, true, "allow or deny; empty before the decision."},
    {"document_uri", document_uri, false, "The same as $uri."},
    {"gzip_ratio", gzip_ratio, true, "Always empty: nothing is compressed here."},
    {"host", host, false, "The host of the request line, else of the Host field, else the server's name."},
    {"hostname", hostname, true, "The name of this machine."},
    {"http2", http2, true, "Always empty: HTTP/2 is not spoken."},
    {"http_", http_, false, "The request field NAME, dashes written as underscores."},
    {"https", https, true, "\"on\" on a TLS connection, else empty."},
    {"identity_assurance", identity_assurance, true, "How well the identity was proven, as its issuer says it (acr)."},
    {"identity_client", identity_client, true, "The requesting client of the verified identity."},
    {"identity_method", identity_method, true, "How the identity was verified."},
    {"identity_roles", identity_roles, true, "The roles of the verified identity, joined with commas."},
    {"identity_user", identity_user, true, "The user for whom the client asks, from the verified identity."},
    {"is_args", is_args, false, "\"?\" if the request has a query string, else empty."},
    {"jwt_claim_", jwt_claim_, false, "The claim NAME of the token; readable before the token is verified."},
    {"jwt_header_", jwt_header_, false, "The header parameter NAME of the token; readable before it is verified."},
    {"jwt_payload", jwt_payload, false, "The claims of the token as JSON; readable before it is verified."},
    {"limit_conn_status", limit_conn_status, true, "What limit_conn did: PASSED, REJECTED or REJECTED_DRY_RUN."},
    {"limit_req_status", limit_req_status, true, "What limit_req did: PASSED, DELAYED, REJECTED or a dry run's."},
    {"msec", msec, true, "The time in seconds with milliseconds."},
    {"nginx_version", nginx_version, true, "The nginx version whose behaviour is followed."},
    {"pid", pid, true, "The number of the process."},
    {"pipe", pipe, true, "\"p\" if the request arrived behind another one, else \".\"."},
    {"policy_hash", policy_hash, true, "The digest of the policies in effect."},
    {"proxy_add_x_forwarded_for", proxy_add_x_forwarded_for, false,
     "The request's X-Forwarded-For with the client's address appended."},
    {"proxy_host", proxy_host, false, "The host of proxy_pass; it may be made of request values."},
    {"proxy_port", proxy_port, false, "The port of proxy_pass; it may be made of request values."},
    {"proxy_protocol_addr", proxy_protocol_addr, false, "The client's address from the PROXY protocol."},
    {"proxy_protocol_port", proxy_protocol_port, false, "The client's port from the PROXY protocol."},
    {"proxy_protocol_server_addr", proxy_protocol_server_addr, false, "The address that the client connected to."},
    {"proxy_protocol_server_port", proxy_protocol_server_port, false, "The port that the client connected to."},
    {"query_string", query_string, false, "The same as $args."},
    {"realip_remote_addr", realip_remote_addr, true, "The peer's address, also where real_ip found another one."},
    {"realip_remote_port", realip_remote_port, true, "The peer's port, likewise."},
    {"remote_addr", remote_addr, true, "The client's address."},
    {"remote_port", remote_port, true, "The client's port."},
    {"remote_user", remote_user, false, "The user name of Basic authentication, checked or not."},
    {"request", request, false, "The request line as sent."},
    {"request_completion", request_completion, true, "\"OK\" if the request completed, else empty."},
    {"request_id", request_id, true, "Sixteen random bytes in hexadecimal, one value for each request."},
    {"request_length", request_length, true, "Bytes of the request: line, head and body."},
    {"request_method", request_method, false, "The request method."},
    {"request_time", request_time, true, "Seconds with milliseconds since the first byte of the request."},
    {"request_uri", request_uri, false, "The request target as sent, with its query string."},
    {"scheme", scheme, true, "http or https."},
    {"sent_http_", sent_http_, false, "The response field NAME; it may come from an upstream."},
    {"server_addr", server_addr, true, "The address that accepted the request."},
    {"server_name", server_name, true, "The name of the server that accepted the request."},
    {"server_port", server_port, true, "The port that accepted the request."},
    {"server_protocol", server_protocol, true, "HTTP/1.0, HTTP/1.1 or HTTP/2.0."},
    {"ssl_cipher", ssl_cipher, true, "The cipher of the TLS connection."},
    {"ssl_client_cert", ssl_client_cert, false, "The client's certificate in PEM, as lines of a folded field."},
    {"ssl_client_escaped_cert", ssl_client_escaped_cert, false, "The client's certificate in PEM, percent-encoded."},
    {"ssl_client_fingerprint", ssl_client_fingerprint, false, "The SHA-1 of the client's certificate."},
    {"ssl_client_i_dn", ssl_client_i_dn, false, "Who issued the client's certificate, as RFC 2253 writes it."},
    {"ssl_client_raw_cert", ssl_client_raw_cert, false, "The client's certificate in PEM."},
    {"ssl_client_s_dn", ssl_client_s_dn, false, "Whom the client's certificate names, as RFC 2253 writes it."},
    {"ssl_client_serial", ssl_client_serial, false, "The serial number of the client's certificate."},
    {"ssl_client_v_end", ssl_client_v_end, false, "Until when the client's certificate is valid."},
    {"ssl_client_v_remain", ssl_client_v_remain, false, "For how many days the client's certificate is still valid."},
    {"ssl_client_v_start", ssl_client_v_start, false, "From when on the client's certificate is valid."},
    {"ssl_client_verify", ssl_client_verify, true, "SUCCESS, FAILED:REASON, or NONE if there was no certificate."},
    {"ssl_early_data", ssl_early_data, true, "Always empty: no request is taken before the handshake is done."},
    {"ssl_protocol", ssl_protocol, true, "The protocol of the TLS connection."},
    {"ssl_server_name", ssl_server_name, false, "The server name that the client asked for in its TLS handshake."},
    {"ssl_session_reused", ssl_session_reused, true, "\"r\" if the TLS session was resumed, else \".\"."},
    {"status", status, true, "The status of the response."},
    {"time_iso8601", time_iso8601, true, "Local time in ISO 8601."},
    {"time_local", time_local, true, "Local time in the Common Log Format."},
    {"transaction_id", transaction_id, true, "The number of the transaction, from the verified transaction token."},
    {"upstream_addr", upstream_addr, true, "The addresses of the upstream servers that were tried."},
    {"upstream_bytes_received", upstream_bytes_received, true, "Bytes received from the upstream."},
    {"upstream_bytes_sent", upstream_bytes_sent, true, "Bytes sent to the upstream."},
    {"upstream_cache_status", upstream_cache_status, true, "Always empty: nothing is cached here."},
    {"upstream_connect_time", upstream_connect_time, true, "Seconds with milliseconds to connect to the upstream."},
    {"upstream_header_time", upstream_header_time, true, "Seconds with milliseconds until the upstream's head came."},
    {"upstream_http_", upstream_http_, false, "The field NAME of the upstream's response."},
    {"upstream_response_length", upstream_response_length, true, "Bytes of the upstream's response behind its head."},
    {"upstream_response_time", upstream_response_time, true,
     "Seconds with milliseconds until the upstream's response was complete."},
    {"upstream_status", upstream_status, false, "The statuses of the upstream's responses."},
    {"uri", uri, false, "The normalised path of the request."},
};

constexpr bool is_name_character(char c) { return is_alpha(c) || is_digit(c) || c == '_'; }

const VariableRow* exact_row(std::string_view name) {
  for (const VariableRow& row : rows) {
    if (row.name == name && !row.name.ends_with('_')) return &row;
  }
  return nullptr;
}

const VariableRow* family_row(std::string_view name) {
  for (const VariableRow& row : rows) {
    if (row.name.ends_with('_') && name.starts_with(row.name) && name.size() > row.name.size()) return &row;
  }
  return nullptr;
}

std::string unknown_variable(std::string_view name) {
  std::array<std::string_view, std::size(rows)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = rows[i].name;
  const std::string_view near = closest_match(to_lower(name), names);
  std::string error = cat("unknown \"", name, "\" variable");
  if (!near.empty()) append(error, ", did you mean \"", near, "\"?");
  return error;
}

bool is_capture_number(std::string_view name) { return name.size() == 1 && is_digit(name[0]); }

// The name behind a '$' at the start of `text`; advances `text` over it. Nothing, and `error`, if there is none.
std::optional<std::string_view> take_name(std::string_view& text, std::string& error) {
  std::string_view rest = text.substr(1);
  const bool braced = rest.starts_with('{');
  if (braced) rest.remove_prefix(1);
  std::size_t length = 0;
  const bool is_number = !braced && !rest.empty() && rest[0] >= '1' && rest[0] <= '9';  // One digit: "$10" is $1, 0.
  while (length < (is_number ? 1 : rest.size()) && is_name_character(rest[length])) ++length;
  const std::string_view name = rest.substr(0, length);
  rest.remove_prefix(length);
  if (braced && !rest.starts_with('}')) {
    error = cat("the closing bracket in \"", name, "\" variable is missing");
    return std::nullopt;
  }
  if (braced) rest.remove_prefix(1);
  if (name.empty()) {
    error = "invalid variable name";
    return std::nullopt;
  }
  text = rest;
  return name;
}

}  // namespace

std::span<const VariableRow> variable_table() { return rows; }

std::optional<VariableRef> resolve_variable(std::string_view name, const VariableNames& names) {
  // As in nginx, names of variables compare without case.
  const std::string lower = to_lower(name);
  if (const VariableRow* row = exact_row(lower)) return VariableRef{row->variable, 0, {}};
  if (const auto group = names.capture(name)) return VariableRef{Variable::capture_, *group, {}};
  if (auto defined = names.defined(lower)) return defined;
  std::optional<std::uint32_t> map = names.map_index(name);
  if (!map) map = names.map_index(lower);
  if (map) return VariableRef{Variable::map_, *map, {}};
  if (auto path = names.jwt_path(lower)) return path;
  if (const VariableRow* row = family_row(lower)) return VariableRef{row->variable, 0, lower.substr(row->name.size())};
  return std::nullopt;
}

std::optional<Template> Template::compile(std::string_view text, const VariableNames& names, std::string& error) {
  Template result;
  result.text_ = text;
  while (!text.empty()) {
    const std::size_t literal_end = std::min(text.find('$'), text.size());
    if (literal_end > 0) {
      result.parts_.push_back({std::string(text.substr(0, literal_end)), {}});
      text.remove_prefix(literal_end);
      continue;
    }
    const std::optional<std::string_view> name = take_name(text, error);
    if (!name) return std::nullopt;
    std::optional<VariableRef> reference = resolve_variable(*name, names);
    if (!reference) {
      error = is_capture_number(*name)
                  ? cat("\"$", *name, "\" names a capture, and there is no regular expression before it")
                  : unknown_variable(*name);
      return std::nullopt;
    }
    result.parts_.push_back({{}, *std::move(reference)});
  }
  return result;
}

Template Template::literal(std::string_view text) {
  Template result;
  result.text_ = text;
  if (!text.empty()) result.parts_.push_back({std::string(text), {}});
  return result;
}

namespace {

std::string_view value_of(const Template::Part& part, VariableSource& source) {
  return part.is_variable() ? source.variable(part.reference) : std::string_view(part.literal);
}

// `pieces` has room for all of `parts`. Every value is asked for once, because asking may compute it.
std::string_view join(std::span<const Template::Part> parts, std::string_view* pieces, VariableSource& source,
                      Arena& arena) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    pieces[i] = value_of(parts[i], source);
    total += pieces[i].size();
  }
  if (total == 0) return {};
  char* const start = arena.allocate(total);
  char* at = start;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (pieces[i].empty()) continue;
    std::memcpy(at, pieces[i].data(), pieces[i].size());
    at += pieces[i].size();
  }
  return {start, total};
}

}  // namespace

std::string_view Template::evaluate(VariableSource& source, Arena& arena) const {
  if (parts_.empty()) return {};
  if (parts_.size() == 1) return value_of(parts_[0], source);
  constexpr std::size_t pieces_on_stack = 16;
  if (parts_.size() <= pieces_on_stack) {
    std::array<std::string_view, pieces_on_stack> pieces;
    return join(parts_, pieces.data(), source, arena);
  }
  std::vector<std::string_view> pieces(parts_.size());
  return join(parts_, pieces.data(), source, arena);
}

bool Template::uses_unverified_jwt_claim() const {
  for (const Part& part : parts_) {
    const Variable variable = part.reference.variable;
    if (variable == jwt_claim_ || variable == jwt_header_ || variable == jwt_payload) return true;
  }
  return false;
}

}  // namespace keepgate::route

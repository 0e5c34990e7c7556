// What each variable is worth for one exchange (nginx's names and formats, and ours).
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "base/bytes.h"
#include "base/version.h"
#include "http/uri.h"
#include "pipeline/client_certificate.h"
#include "pipeline/content.h"
#include "pipeline/counters.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

using route::Variable;

namespace {

constexpr unsigned map_depth_max = 8;  // A map whose source is a map …; deeper is a loop.

bool folded_equal(std::string_view header, std::string_view variable_name) {
  if (header.size() != variable_name.size()) return false;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const char c = header[i] == '-' ? '_' : to_lower(header[i]);
    if (c != variable_name[i]) return false;
  }
  return true;
}

std::string time_text(std::int64_t wall_s, const char* format) {
  const auto second = static_cast<std::time_t>(wall_s);
  std::tm local{};
  ::localtime_r(&second, &local);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, format, &local));
}

// nginx: a port that nobody knows is empty.
std::string port_text(const net::Address& address) { return address.port() == 0 ? std::string() : cat(address.port()); }

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& value : values) {
    if (!out.empty()) out.push_back(',');
    out += value;
  }
  return out;
}

bool is_of_main(Variable variable) {
  switch (variable) {
    case Variable::content_length:
    case Variable::request:
    case Variable::request_id:
    case Variable::request_length:
    case Variable::request_method:
    case Variable::request_time:
    case Variable::request_uri:
    case Variable::server_protocol:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Exchange::Peeked {
  crypto::Json header, payload;
};

// Repeated fields are joined with ", " (nginx since 1.23.0). Identity fields that an outsider sent do not exist.
std::string_view Exchange::header_variable(std::string_view name) {
  std::string_view found;
  for (const http::HeaderLine& line : head().headers) {
    if (!folded_equal(line.name, name)) continue;
    if (stripped_by_airlock(line) || is_withheld(line)) continue;
    const std::string_view value = shown_value(line);
    found = found.empty() ? value : arena.join(found, std::string_view(", "), value);
  }
  return found;
}

// A field of the answer: of the head that went out once it did; before, and for the upstream's, of what is being
// relayed.
std::string_view Exchange::response_variable(const route::VariableRef& reference) {
  std::string_view lines = reference.variable == Variable::sent_http_ ? sent_head : upstream_head;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 2, lines.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !folded_equal(line.substr(0, colon), reference.argument)) continue;
    return trim(line.substr(colon + 1));
  }
  if (!upstream.head || !sent_head.empty()) return {};
  for (const http::HeaderLine& line : upstream.head->headers) {
    if (folded_equal(line.name, reference.argument)) return line.value;
  }
  return {};
}

std::string_view Exchange::proxy_port_variable() {
  const std::string_view name = !proxy_host.empty()  ? proxy_host
                                : location_->content ? location_->content->upstream_name()
                                                     : std::string_view();
  const auto colon = name.rfind(':');
  const bool has_port = colon != std::string_view::npos && name.find(']', colon) == std::string_view::npos;
  if (has_port) return name.substr(colon + 1);
  if (!proxy_host.empty()) return keep(cat(proxy_port));
  return location_->content ? keep(cat(location_->content->upstream_port())) : std::string_view();
}

// Before the access phase a token may be read but is not verified (design: nginx-semantics §2): `keepgate check` and
// strict warn where such a value decides anything.
const crypto::Json* Exchange::unverified(bool payload) {
  if (!peeked_) {
    peeked_ = std::make_shared<Peeked>();
    std::string_view text;
    if (location_->auth.jwt.token) {
      text = variable(*location_->auth.jwt.token);
    } else if (const http::HeaderLine* line = head().find(http::Field::authorization)) {
      text = auth::token_credential(line->value).value_or(auth::TokenCredential()).token;
    }
    // Of an encrypted token nothing can be read before it is decrypted, and none of a signed one stands in for it.
    if (location_->auth.jwt.form != auth::TokenForm::jws) text = {};
    if (auto jws = crypto::parse_jws(text)) {
      peeked_->header = std::move(jws->header);
      if (auto claims = crypto::parse_json(jws->payload)) peeked_->payload = std::move(*claims);
    }
  }
  return payload ? &peeked_->payload : &peeked_->header;
}

std::string_view Exchange::jwt_variable(const route::VariableRef& reference) {
  const auth::AuthOptions& auth = location_->auth;
  if (!auth.jwt.enabled && !auth.jwt.token && !facts.token) return {};
  // Where `satisfy any` was content with something else, the token beside it was looked at by nobody: it says nothing.
  if (decided && auth.asks_for_token() && !facts.token) return {};
  const bool payload = reference.variable != Variable::jwt_header_ && reference.variable != Variable::jwt_header_path_;
  const crypto::Json* json =
      facts.token ? (payload ? &facts.token->payload : &facts.token->header) : unverified(payload);
  // NGINX Plus: of a nested token the signed token inside, of others the claims.
  if (reference.variable == Variable::jwt_payload && facts.token && !facts.token->enclosed.empty()) {
    return facts.token->enclosed;
  }
  if (reference.variable == Variable::jwt_payload) return keep(json->is_null() ? std::string() : json->write());
  if (reference.variable == Variable::jwt_claim_path_ || reference.variable == Variable::jwt_header_path_) {
    return keep(auth::claim_text_at(*json, reference.argument, route::path_separator));
  }
  return keep(auth::claim_text(*json, reference.argument));
}

std::string_view Exchange::map_variable(std::uint32_t index) {
  const auto known = std::ranges::find(map_values_, index, &MapValue::index);
  if (known != map_values_.end() && known->fresh) return known->value;
  if (map_depth_ >= map_depth_max) {
    log(LogLevel::error, "map $", snapshot().maps[index].name, " refers to itself");
    return {};
  }
  const route::Map& map = snapshot().maps[index];
  const bool is_repeated = known != map_values_.end() && !map.is_volatile;
  const auto groups_before = groups_;
  const std::uint32_t count_before = group_count_;
  ++map_depth_;
  // What an upstream said may be gone before the request ends.
  const auto lasting = [&](std::string_view text) { return upstream.head ? keep(text) : text; };
  const std::string_view value = lasting(evaluate(map.lookup(lasting(evaluate(map.source)), this)));
  --map_depth_;
  if (is_repeated) {
    groups_ = groups_before;
    group_count_ = count_before;
  }
  // What depends on the token may change when the token is verified: kept only from then on.
  const bool stays = !map.is_volatile && (decided || !location_->auth.asks_for_token());
  const auto place = std::ranges::find(map_values_, index, &MapValue::index);  // Inner maps may have moved it.
  if (place != map_values_.end()) {
    *place = {index, value, stays};
  } else {
    map_values_.push_back({index, value, stays});
  }
  return value;
}

// `set`, auth_request_set, named groups, geo and split_clients. What they are made of may be variables again. A
// subrequest sees what the request that asks for it has set, and what it sets itself.
std::string_view Exchange::defined_variable(const route::VariableRef& reference) {
  if (map_depth_ >= map_depth_max) {
    log(LogLevel::error, "a variable refers to itself");
    return {};
  }
  ++map_depth_;
  std::string_view value;
  if (reference.variable == Variable::slot_) {
    const bool is_set = reference.index < slots_.size() && slots_[reference.index].has_value();
    Exchange* const main = subrequest_ ? main_exchange() : nullptr;
    const auto& fallback = snapshot().slots[reference.index].fallback;
    if (is_set) {
      value = *slots_[reference.index];
    } else if (main) {
      value = main->variable(reference);
    } else if (fallback) {
      value = variable(*fallback);
    }
  } else if (reference.variable == Variable::geo_) {
    const route::Geo& geo = snapshot().geos[reference.index];
    value = geo.source ? geo.lookup_text(variable(*geo.source)) : geo.lookup(connection_->peer.ip_bytes());
  } else {
    const route::SplitClients& split = snapshot().split_clients[reference.index];
    value = split.lookup(evaluate(split.source));
  }
  --map_depth_;
  return value;
}

// A table in the shape of a switch: one line a variable, in the order of route/template.h.
std::string_view Exchange::variable(const route::VariableRef& reference) {
  const http::RequestHead& request = head();
  Connection& c = *connection_;
  // What a subrequest shares with the request that asks for it, as in nginx.
  Exchange* const main = subrequest_ ? main_exchange() : nullptr;
  if (main && is_of_main(reference.variable)) return main->variable(reference);
  switch (reference.variable) {
    case Variable::none:
      return {};
    case Variable::args:
    case Variable::query_string:
      return hides_arguments(*this) ? std::string_view() : query;
    case Variable::arg_:
      return hides_arguments(*this) ? std::string_view() : http::query_argument(query, reference.argument);
    case Variable::body_bytes_sent:
      return keep(cat(bytes_sent > head_bytes_sent ? bytes_sent - head_bytes_sent : 0));
    case Variable::bytes_sent:
      return keep(cat(bytes_sent));
    case Variable::binary_remote_addr:
      return c.peer.ip_bytes();
    case Variable::connection:
      return keep(cat(c.number));
    case Variable::connection_requests:
      return keep(cat(c.request_count));
    case Variable::connection_time:
      return keep(seconds_text(now().monotonic_ms - c.accepted_ms));
    case Variable::connections_active:
      return keep(cat(Counters::sum().connections));
    case Variable::connections_reading:
      return keep(cat(Counters::sum().reading()));
    case Variable::connections_waiting:
      return keep(cat(Counters::sum().waiting));
    case Variable::connections_writing:
      return keep(cat(Counters::sum().writing));
    case Variable::gzip_ratio:
    case Variable::http2:
    case Variable::ssl_early_data:
    case Variable::upstream_cache_status:
      return {};
    case Variable::content_length: {
      return request.framing == http::BodyFraming::content_length ? keep(cat(request.content_length))
                                                                  : std::string_view();
    }
    case Variable::content_type: {
      const http::HeaderLine* line = request.find(http::Field::content_type);
      return line ? line->value : std::string_view();
    }
    case Variable::cookie_: {
      for (const http::HeaderLine& line : request.headers) {
        if (line.field != http::Field::cookie) continue;
        const std::string_view value = http::cookie_value(shown_value(line), reference.argument);
        if (value.data() != nullptr) return value;
      }
      return {};
    }
    case Variable::document_uri:
    case Variable::uri:
      return path.text;
    case Variable::host:
      return request.host.empty() ? std::string_view(server_->name) : keep(to_lower(request.host));
    case Variable::hostname:
      return keep(host_name());
    case Variable::http_:
      return header_variable(reference.argument);
    case Variable::https:
      return c.tls ? "on" : "";
    case Variable::is_args:
      return query.empty() ? "" : "?";
    case Variable::limit_conn_status:
      return limit::name_of(conn_status);
    case Variable::limit_req_status:
      return limit::name_of(facts.identity_limit.status != limit::LimitStatus::none ? facts.identity_limit.status
                                                                                    : limit.status);
    case Variable::msec:
      return keep(seconds_text(now().wall_ms));
    case Variable::nginx_version:
      return KG_VERSION_TEXT;
    case Variable::pid:
      return keep(cat(::getpid()));
    case Variable::pipe:
      return pipelined ? "p" : ".";
    case Variable::proxy_protocol_addr:
      return c.proxied ? keep(c.proxied->source.ip_text()) : std::string_view();
    case Variable::proxy_protocol_port:
      return c.proxied ? keep(port_text(c.proxied->source)) : std::string_view();
    case Variable::proxy_protocol_server_addr:
      return c.proxied ? keep(c.proxied->destination.ip_text()) : std::string_view();
    case Variable::proxy_protocol_server_port:
      return c.proxied ? keep(port_text(c.proxied->destination)) : std::string_view();
    case Variable::realip_remote_addr:
      return keep(c.socket_peer().ip_text());
    case Variable::realip_remote_port:
      return keep(port_text(c.socket_peer()));
    case Variable::proxy_add_x_forwarded_for: {
      const std::string_view before = header_variable("x_forwarded_for");
      return before.empty() ? keep(c.peer_ip()) : arena.join(before, std::string_view(", "), c.peer_ip());
    }
    case Variable::proxy_host:
      if (!proxy_host.empty()) return proxy_host;
      return location_->content ? location_->content->upstream_name() : std::string_view();
    case Variable::proxy_port:
      return proxy_port_variable();
    case Variable::remote_addr:
      return keep(c.peer_ip());
    case Variable::remote_port:
      return keep(port_text(c.peer));
    case Variable::remote_user:
      return auth::basic_user(request, arena);
    case Variable::request:
      if (!refused_line.empty()) {
        return hides_arguments(*this) ? refused_line.substr(0, refused_line.find('?')) : refused_line;
      }
      return request.method_text.empty()
                 ? std::string_view()
                 : arena.join(request.method_text, std::string_view(" "), shown_target(),
                              std::string_view(request.version_minor == 0 ? " HTTP/1.0" : " HTTP/1.1"));
    case Variable::request_completion:
      return response_started && !aborted ? "OK" : "";
    case Variable::request_id:
      return request_id();
    case Variable::request_length:
      return keep(cat(request_bytes + body.received_bytes()));
    case Variable::request_method:
      return method_is_get ? std::string_view("GET") : request.method_text;
    case Variable::request_time:
      return keep(seconds_text(now().monotonic_ms - started_ms));
    case Variable::request_uri: {
      if (request.target.starts_with('/')) return shown_target();
      const std::optional<std::string_view> query = shown_query();  // Of an absolute form only its path, as in nginx.
      return query ? arena.join(request.raw_path, std::string_view("?"), *query) : request.raw_path;
    }
    case Variable::scheme:
      return c.tls ? "https" : "http";
    case Variable::sent_http_:
    case Variable::upstream_http_:
      return response_variable(reference);
    case Variable::server_addr:
      return keep(c.local().ip_text());
    case Variable::server_name:
      return server_->name;
    case Variable::server_port:
      return c.local().is_unix() ? std::string_view() : keep(cat(c.local().port()));
    case Variable::server_protocol:
      return request.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
    case Variable::ssl_cipher:
      return c.tls_facts().cipher;
    case Variable::ssl_client_cert:
    case Variable::ssl_client_escaped_cert:
    case Variable::ssl_client_fingerprint:
    case Variable::ssl_client_i_dn:
    case Variable::ssl_client_raw_cert:
    case Variable::ssl_client_s_dn:
    case Variable::ssl_client_serial:
    case Variable::ssl_client_v_end:
    case Variable::ssl_client_v_remain:
    case Variable::ssl_client_v_start:
    case Variable::ssl_client_verify:
      return keep(client_certificate_text(*this, reference.variable));
    case Variable::ssl_session_reused:
      return !c.tls ? "" : c.tls_facts().resumed ? "r" : ".";
    case Variable::ssl_protocol:
      return c.tls_facts().protocol;
    case Variable::ssl_server_name:
      return c.tls_facts().server_name;
    case Variable::status:
      return keep(cat(status));
    case Variable::time_iso8601: {
      std::string text = time_text(now().wall_s(), "%Y-%m-%dT%H:%M:%S%z");
      return keep(text.insert(text.size() - 2, ":"));
    }
    case Variable::time_local:
      return keep(time_text(now().wall_s(), "%d/%b/%Y:%H:%M:%S %z"));
    case Variable::upstream_addr:
    case Variable::upstream_bytes_received:
    case Variable::upstream_bytes_sent:
    case Variable::upstream_connect_time:
    case Variable::upstream_header_time:
    case Variable::upstream_response_length:
    case Variable::upstream_response_time:
    case Variable::upstream_status:
      return keep(upstream.text(reference.variable, now().monotonic_ms));
    case Variable::jwt_claim_:
    case Variable::jwt_header_:
    case Variable::jwt_payload:
    case Variable::jwt_claim_path_:
    case Variable::jwt_header_path_:
      return jwt_variable(reference);
    case Variable::client_id:
    case Variable::identity_client:
      if (!facts.principal) return {};
      return facts.principal->client.empty() ? facts.principal->service : facts.principal->client;
    case Variable::identity_assurance:
      return facts.principal ? std::string_view(facts.principal->assurance) : std::string_view();
    case Variable::identity_user:
      return facts.principal ? std::string_view(facts.principal->user) : std::string_view();
    case Variable::identity_roles:
      return facts.principal ? keep(joined(facts.principal->roles)) : std::string_view();
    case Variable::identity_method:
      return auth::name_of(facts.principal ? facts.principal->method : auth::AuthMethod::none);
    case Variable::decision_id:
      return decision_id();
    case Variable::decision_rule:
      return facts.decision.rule;
    case Variable::decision_verdict:
      return decided ? (permitted ? "allow" : "deny") : "";
    case Variable::policy_hash:
      return location_->policy ? std::string_view(location_->policy->hash()) : std::string_view();
    case Variable::transaction_id:
      return facts.transaction ? std::string_view(facts.transaction->txn) : std::string_view(minted_transaction);
    case Variable::map_:
      return map_variable(reference.index);
    case Variable::capture_:
      return group(reference.index);
    case Variable::slot_:
    case Variable::geo_:
    case Variable::split_clients_:
      return defined_variable(reference);
  }
  return {};
}

}  // namespace keepgate::pipeline

#include "proxy/target.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "http/authority.h"
#include "http/uri.h"
#include "upstream/named_groups.h"

namespace keepgate::proxy {

using pipeline::Exchange;
using pipeline::Refusal;

namespace {

Refusal refuse(std::uint16_t status, std::string_view code, std::string reason) {
  Refusal out;
  out.status = status;
  out.code = code;
  out.reason = std::move(reason);
  return out;
}

bool skip(std::string_view& text, std::string_view prefix) {
  if (!equals_ignoring_case(text.substr(0, prefix.size()), prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::optional<TargetParts> split_target(std::string_view text, std::string& why) {
  TargetParts out;
  std::string_view rest = text;
  out.tls = skip(rest, "https://");
  if (!out.tls && !skip(rest, "http://")) {
    why = cat("invalid URL prefix in \"", printable(text), '"');
    return std::nullopt;
  }
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  out.authority = rest.substr(0, end);
  out.uri = rest.substr(end);
  // Strict: no user, no spaces, no second reading of the port; "unix:" is no host either.
  const http::Authority authority = http::parse_authority(out.authority);
  if (!authority.valid) {
    why = cat("invalid host in upstream \"", printable(text), '"');
    return std::nullopt;
  }
  out.host = authority.host;
  if (authority.has_port) out.port = parse_unsigned<std::uint16_t>(out.authority.substr(out.authority.rfind(':') + 1));
  return out;
}

bool append_target_uri(std::string_view uri, std::string& out) {
  if (uri.empty()) return true;
  if (uri.front() == '?') out.push_back('/');
  if (uri.front() != '/' && uri.front() != '?') return false;
  for (const char c : uri) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '#') return false;
    if (byte == ' ' || byte >= 0x80) {
      append(out, '%', to_hex({&c, 1}));
    } else {
      out.push_back(c);
    }
  }
  return true;
}

namespace {

// A host's name in lower case, without memory of its own.
class LowerCase {
 public:
  explicit LowerCase(std::string_view host) : bytes_(std::min(host.size(), text_.size())) {
    for (std::size_t i = 0; i < bytes_; ++i) text_[i] = to_lower(host[i]);
  }
  std::string_view view() const { return {text_.data(), bytes_}; }

 private:
  std::array<char, 256> text_;  // parse_authority() allows no longer one.
  std::size_t bytes_;
};

// The URI as written, its values put in. $uri is decoded: it is encoded again, as the path that it is.
bool write_uri(Exchange& exchange, std::string_view brought, const route::Template& uri, std::string& out) {
  std::string text(brought);
  for (const route::Template::Part& part : uri.parts()) {
    const route::Variable variable = part.reference.variable;
    const std::string_view value = part.is_variable() ? exchange.variable(part.reference) : part.literal;
    const bool is_path = variable == route::Variable::uri || variable == route::Variable::document_uri;
    text += is_path ? http::encode_path(value, exchange.arena) : value;
  }
  return append_target_uri(text, out);
}

// Nothing to say, or a refusal. `brought`: what came with the value of the authority.
std::optional<Refusal> set_uri(Exchange& exchange, const pipeline::Permit& permit, const VariableTarget& from,
                               std::string_view brought, Target& target) {
  if (permit.forward_canonical() && !brought.empty()) {
    return refuse(500, "bad_target",
                  cat("a policy decides on the path, and the target brings \"", printable(brought), '"'));
  }
  const bool as_it_came = permit.forward_canonical()
                              ? from.own_uri == OwnUri::request_uri || from.own_uri == OwnUri::path_and_query
                              : from.own_uri == OwnUri::request_uri && !exchange.uri_changed;
  if (brought.empty() && (from.uri.empty() || as_it_came)) return std::nullopt;
  if (permit.forward_canonical() && from.own_uri == OwnUri::path) {
    target.uri = http::encode_path(permit.service_path(), exchange.arena);
    return std::nullopt;
  }
  std::string out;
  if (!write_uri(exchange, brought, from.uri, out)) {
    return refuse(400, "bad_target", "the URI for the upstream does not begin with '/', or has bytes that no URI has");
  }
  target.uri = exchange.arena.copy(out);
  return std::nullopt;
}

}  // namespace

net::Task<std::optional<Refusal>> find_target(Exchange& exchange, const pipeline::Permit& permit,
                                              const VariableTarget& from, Target& target) {
  std::string why;
  const auto parts = split_target(exchange.evaluate(from.authority), why);
  if (!parts) co_return refuse(500, "bad_target", std::move(why));
  if (parts->tls && !from.tls) co_return refuse(500, "bad_target", "the target is https, which was not foreseen");
  if (auto refused = set_uri(exchange, permit, from, parts->uri, target)) co_return refused;
  const std::uint16_t default_port = parts->tls ? 443 : 80;
  target.host = parts->port == default_port ? parts->host : parts->authority;
  target.tls = parts->tls;
  if (parts->tls) target.tls_name = from.tls_name.empty() ? parts->host : std::string_view(from.tls_name);
  const LowerCase lower(parts->host);
  if (const auto block = from.groups->find(lower.view()); block != from.groups->end()) {
    if (parts->port) {
      co_return refuse(502, "bad_gateway", cat("upstream \"", printable(parts->host), "\" may not have a port"));
    }
    target.group = block->second;
    co_return std::nullopt;
  }
  upstream::NamedGroups& groups = *exchange.worker().named_groups;
  const upstream::NamedGroups::Wanted wanted{parts->host, parts->port.value_or(default_port), from.resolver,
                                             from.resolver_timeout_ms};
  target.group = groups.known(wanted);
  if (target.group) co_return std::nullopt;
  net::Stream* watched = exchange.client().hung_up() ? nullptr : &exchange.client();
  auto found = co_await groups.find(wanted, watched);
  if (found) {
    target.group = std::move(*found);
    co_return std::nullopt;
  }
  if (found.error().kind == ErrorKind::cancelled) co_return refuse(499, "cancelled", "the client went away");
  log(LogLevel::error, found.error().detail, ", client: ", exchange.connection().peer_ip());
  co_return refuse(502, "bad_gateway", std::move(found.error().detail));
}

}  // namespace keepgate::proxy

// Target: where one request goes: the group of servers, the names to say to it, and the URI where proxy_pass makes one.
//
// Of a proxy_pass without variables it is known when the configuration is read; else find_target() makes it of the
// request's values. What those may be is checked each time: a scheme of HTTP, a host and a port, a URI behind them.
// Thread rule: plain values; find_target() runs on the worker of the exchange.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/resolver.h"
#include "net/task.h"
#include "pipeline/exchange.h"
#include "pipeline/permit.h"
#include "pipeline/refusal.h"
#include "route/template.h"
#include "tls/context.h"
#include "upstream/group.h"

namespace keepgate::proxy {

struct Target {
  std::shared_ptr<const upstream::Group> group;
  // $proxy_host: name and port as in proxy_pass, without a default port. Lives as long as the exchange.
  std::string_view host;
  bool tls = false;
  std::string_view tls_name;
  std::string_view uri;  // What is sent, path and query, in the arena. Empty: as without a URI in proxy_pass.
};

// A URI of proxy_pass that is the request's own, whole: where a policy decides, the decided path is what is sent.
enum class OwnUri : std::uint8_t {
  none = 0,        // Another one, or none at all.
  request_uri,     // $request_uri
  path_and_query,  // $uri$is_args$args
  path,            // $uri
};

using UpstreamNames = std::map<std::string, std::shared_ptr<const upstream::Group>, std::less<>>;  // Lower case.

// A proxy_pass with variables, taken apart where its URI begins.
struct VariableTarget {
  route::Template authority;  // With the scheme; its values may bring a URI of their own.
  route::Template uri;
  OwnUri own_uri = OwnUri::none;
  std::shared_ptr<const UpstreamNames> groups;  // Every upstream { }.
  std::shared_ptr<const net::ResolverOptions> resolver;
  std::int64_t resolver_timeout_ms = 30'000;
  std::shared_ptr<const tls::ClientContext> tls;  // nullptr: the scheme is always http.
  std::string tls_name;                           // proxy_ssl_name; empty: the host.
};

// Fills `target`, or says why the request goes nowhere.
net::Task<std::optional<pipeline::Refusal>> find_target(pipeline::Exchange& exchange, const pipeline::Permit& permit,
                                                        const VariableTarget& from, Target& target);

// The text of a proxy_pass, evaluated, as its parts. Nothing: `why` says what it may not be.
struct TargetParts {
  bool tls = false;
  std::string_view host;  // With the brackets of an IPv6 address.
  std::optional<std::uint16_t> port;
  std::string_view authority;  // Host and port as they stand there.
  std::string_view uri;        // What follows in `text`; empty, or from its '/' or '?' on.
};
std::optional<TargetParts> split_target(std::string_view text, std::string& why);

// The URI as it goes on the wire: spaces and bytes that are not ASCII encoded. False: it has control bytes or a '#', or
// it does not begin with '/' or '?'.
bool append_target_uri(std::string_view uri, std::string& out);

}  // namespace keepgate::proxy

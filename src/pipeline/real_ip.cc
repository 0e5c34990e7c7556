#include "pipeline/real_ip.h"

#include "pipeline/exchange.h"

namespace keepgate::pipeline {

namespace {

// The last element, and `value` cut back to what stands before it. Separators at the end do not count.
std::string_view take_last(std::string_view& value) {
  constexpr std::string_view separators = " ,";
  value = value.substr(0, value.find_last_not_of(separators) + 1);
  const std::size_t before = value.find_last_of(separators);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const std::string_view element = value.substr(begin);
  value = value.substr(0, begin);
  return element;
}

bool is_named(const Exchange& x, const http::HeaderLine& line, std::string_view name) {
  return equals_ignoring_case(line.name, name) && !x.stripped_by_airlock(line);
}

// Repeated fields are one list, the last of them nearest to us.
bool follow_fields(const Exchange& x, const RealIpOptions& options, net::Address& address) {
  bool replaced = false;
  const auto headers = x.head().headers;
  for (std::size_t i = headers.size(); i-- > 0;) {
    if (!is_named(x, headers[i], options.field)) continue;
    const net::Address before = address;
    const bool go_on = follow_forwarded(options, headers[i].value, address);
    replaced = replaced || !(address == before);
    if (!go_on || !options.recursive) break;
  }
  return replaced;
}

}  // namespace

bool RealIpOptions::trusts(const net::Address& peer) const {
  return peer.is_unix() ? trusts_unix : trusted.contains(peer.ip_bytes());
}

bool follow_forwarded(const RealIpOptions& options, std::string_view value, net::Address& address) {
  do {
    if (!options.trusts(address)) return false;
    const auto found = net::Address::ip_with_port(take_last(value));
    if (!found) return false;
    address = *found;
  } while (options.recursive && !value.empty());
  return value.empty();
}

void find_real_ip(Exchange& x) {
  const RealIpOptions* options = x.location().real_ip.get();
  Connection& c = x.connection();
  if (!options || c.peer_is_replaced()) return;
  net::Address address = c.peer;
  if (!options->from_proxy_protocol) {
    if (follow_fields(x, *options, address)) c.replace_peer(address);
    return;
  }
  if (c.proxied && options->trusts(address)) c.replace_peer(c.proxied->source);
}

}  // namespace keepgate::pipeline

// resolver: the name servers of a level or of an upstream, as values.
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "conf/compile/host_port.h"
#include "proxy/target.h"

namespace keepgate::conf {

std::shared_ptr<const net::ResolverOptions> Compiler::resolver(const std::optional<ResolverModel>& model) {
  if (!model) return nullptr;
  constexpr std::uint16_t dns_port = 53;
  net::ResolverOptions options;
  options.valid_ms = model->valid_ms;
  options.ipv4 = model->ipv4;
  options.ipv6 = model->ipv6;
  for (const Word& word : model->addresses) {
    const HostPort parts = split_host(word.text);
    if (!parts.valid) {
      error(code::bad_value, cat("invalid address '", printable(word.text), "' in resolver"), word.at,
            "ADDRESS, ADDRESS:PORT or [IPv6]:PORT");
      continue;
    }
    for (const net::Address& address : addresses_of(word, parts.host, parts.port.value_or(dns_port))) {
      options.servers.push_back(address);
    }
  }
  if (options.servers.empty()) return nullptr;
  for (const auto& known : resolvers_) {
    if (*known == options) return known;
  }
  return resolvers_.emplace_back(std::make_shared<const net::ResolverOptions>(std::move(options)));
}

}  // namespace keepgate::conf

#include "fetch/reach.h"

#include <initializer_list>

#include "base/cidr.h"
#include "base/error.h"

namespace keepgate::fetch {

namespace {

CidrSet set_of(std::initializer_list<std::string_view> networks) {
  CidrSet out;
  for (const std::string_view network : networks) {
    const auto parsed = Cidr::parse(network);
    KG_ASSERT(parsed && !parsed->has_host_bits);
    out.add(*parsed);
  }
  return out;
}

const CidrSet& loopback_networks() {
  static const CidrSet set = set_of({"127.0.0.0/8", "::1/128"});
  return set;
}

// RFC 1918, 6598 (carriers' shared space), 4193.
const CidrSet& private_networks() {
  static const CidrSet set = set_of({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"});
  return set;
}

// RFC 6890 and the IANA special-purpose registries, but for what is named above. In IPv6 only 2000::/3 is in use.
const CidrSet& never() {
  static const CidrSet set =
      set_of({"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
              "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "2001::/23", "2001:db8::/32", "3fff::/20"});
  return set;
}

const CidrSet& global_six() {
  static const CidrSet set = set_of({"2000::/3"});
  return set;
}

// The IPv4 address within, where IPv6 only carries it: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
std::string_view carried_four(std::string_view six) {
  using namespace std::string_view_literals;
  if (six.starts_with("\0\0\0\0\0\0\0\0\0\0\xff\xff"sv)) return six.substr(12);
  if (six.starts_with("\0\x64\xff\x9b\0\0\0\0\0\0\0\0"sv)) return six.substr(12);
  if (six.starts_with("\x20\x02"sv)) return six.substr(2, 4);
  return {};
}

}  // namespace

bool may_connect(std::string_view address, Reach reach) {
  if (address.size() == 16) {
    if (const std::string_view four = carried_four(address); !four.empty()) return may_connect(four, reach);
  } else if (address.size() != 4) {
    return false;
  }
  if (loopback_networks().contains(address)) return reach != Reach::global;
  if (reach == Reach::loopback) return false;
  if (private_networks().contains(address)) return reach == Reach::with_private;
  if (never().contains(address)) return false;
  return address.size() == 4 || global_six().contains(address);
}

}  // namespace keepgate::fetch

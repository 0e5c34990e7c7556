// Reach: which addresses a fetch may connect to, so that no document and no name server leads us to inside services.
//
// Judged on the address that is connected to, not on a name: a name may mean something else a moment later.
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace keepgate::fetch {

// Link-local (cloud metadata among them), multicast, unspecified and reserved addresses are in no reach.
enum class Reach : std::uint8_t {
  global = 0,    // Addresses of the public internet only.
  with_private,  // And private networks (RFC 1918, 6598, 4193) and this machine.
  loopback,      // This machine only.
};

// `address`: 4 or 16 bytes in network order. IPv4 within IPv6 (mapped, NAT64, 6to4) is judged as the IPv4 it leads to.
bool may_connect(std::string_view address, Reach reach);

}  // namespace keepgate::fetch

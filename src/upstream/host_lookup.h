// Names of hosts by the system's resolver, with a bound on the time: for `-t`, which must end.
//
// Thread rule: any thread; blocks for at most the given time. A lookup that is given up goes on in the background until
// the resolver's own timeout ends it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace keepgate::upstream {

// With port 0. Empty on failure, and `error` says why.
std::vector<net::Address> look_up_host(std::string_view host, int timeout_ms, std::string& error);

}  // namespace keepgate::upstream

#include "upstream/group.h"

namespace keepgate::upstream {

namespace {

bool same(const Server& a, const Server& b) {
  return a.address == b.address && a.name == b.name && a.weight == b.weight && a.fails_max == b.fails_max &&
         a.fail_timeout_ms == b.fail_timeout_ms && a.backup == b.backup && a.down == b.down;
}

}  // namespace

bool Group::operator==(const Group& other) const {
  if (name != other.name || servers.size() != other.servers.size() || keepalive != other.keepalive ||
      keepalive_requests != other.keepalive_requests || keepalive_timeout_ms != other.keepalive_timeout_ms ||
      keepalive_time_ms != other.keepalive_time_ms) {
    return false;
  }
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (!same(servers[i], other.servers[i])) return false;
  }
  return true;
}

}  // namespace keepgate::upstream

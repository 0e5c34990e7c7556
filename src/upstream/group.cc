#include "upstream/group.h"

#include "upstream/peer.h"

namespace keepgate::upstream {

bool Group::same_configuration(const Group& other) const {
  return name == other.name && zone == other.zone && servers == other.servers && keepalive == other.keepalive &&
         keepalive_requests == other.keepalive_requests && keepalive_timeout_ms == other.keepalive_timeout_ms &&
         keepalive_time_ms == other.keepalive_time_ms;
}

std::shared_ptr<Group> make_group(Group group) {
  group.peers = std::make_shared<PeerList>(group.servers, !group.zone.empty());
  return std::make_shared<Group>(std::move(group));
}

}  // namespace keepgate::upstream

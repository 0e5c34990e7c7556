#include "upstream/group.h"

#include "upstream/peer.h"

namespace keepgate::upstream {

bool Group::same_configuration(const Group& other) const {
  return name == other.name && zone == other.zone && servers == other.servers && keepalive == other.keepalive &&
         keepalive_requests == other.keepalive_requests && keepalive_timeout_ms == other.keepalive_timeout_ms &&
         keepalive_time_ms == other.keepalive_time_ms && method == other.method && hash_key == other.hash_key &&
         queue == other.queue && queue_timeout_ms == other.queue_timeout_ms && retries == other.retries &&
         ejection == other.ejection;
}

std::shared_ptr<Group> make_group(Group group) {
  group.peers = std::make_shared<PeerList>(group.servers, !group.zone.empty());
  group.budget = std::make_shared<RetryBudget>(group.retries);
  return std::make_shared<Group>(std::move(group));
}

}  // namespace keepgate::upstream

#include "upstream/group.h"

#include "upstream/peer.h"

namespace keepgate::upstream {

namespace {

bool same_names(const Group& a, const Group& b) {
  if (a.named != b.named || a.resolver_timeout_ms != b.resolver_timeout_ms || !a.resolver != !b.resolver) return false;
  return !a.resolver || *a.resolver == *b.resolver;
}

}  // namespace

bool Group::same_configuration(const Group& other) const {
  return name == other.name && zone == other.zone && servers == other.servers && keepalive == other.keepalive &&
         keepalive_requests == other.keepalive_requests && keepalive_timeout_ms == other.keepalive_timeout_ms &&
         keepalive_time_ms == other.keepalive_time_ms && method == other.method && hash_key == other.hash_key &&
         queue == other.queue && queue_timeout_ms == other.queue_timeout_ms && retries == other.retries &&
         ejection == other.ejection && same_names(*this, other);
}

std::shared_ptr<Group> make_group(Group group) {
  group.peers = std::make_shared<PeerList>(group.servers, !group.zone.empty());
  group.budget = std::make_shared<RetryBudget>(group.retries);
  return std::make_shared<Group>(std::move(group));
}

}  // namespace keepgate::upstream

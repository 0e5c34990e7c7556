// NameKeeper: `server NAME … resolve`: looks the names of groups up again and again and replaces the groups' servers.
//
// Thread rule: keep() from any thread; the rest happens on the background's loop. Failures keep what was there last.
// Lifetime: outlives the background's thread.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "net/background.h"
#include "upstream/group.h"

namespace keepgate::upstream {

class NameKeeper {
 public:
  explicit NameKeeper(net::Background& background) : background_(background) {}

  // These groups from now on, and no others.
  void keep(std::vector<std::shared_ptr<const Group>> groups);

 private:
  struct Watch {
    std::shared_ptr<const Group> group;
    bool ended = false;
    net::Waiter* sleeping = nullptr;
  };

  void keep_now(const std::vector<std::shared_ptr<const Group>>& groups);
  net::Detached watch(std::shared_ptr<Watch> watch);
  net::Task<net::NameAnswer> look_up(const Group& group, std::string name, net::NameKind kind);
  net::Task<std::int64_t> add_addresses(const Group& group, std::string host, Server prototype,
                                        std::vector<Server>& out);
  net::Task<std::int64_t> add_services(const Group& group, const NamedServer& named, std::vector<Server>& out);

  net::Background& background_;
  std::unordered_map<const Group*, std::shared_ptr<Watch>> watches_;
};

}  // namespace keepgate::upstream

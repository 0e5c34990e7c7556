// NamedGroups: groups made while running, of the host and port that a proxy_pass with variables asks for.
//
// A name is looked up again when its answer is over; addresses that stay keep their state and their idle connections.
// Thread rule: one worker's. Bounds: groups_max groups, those unused for unused_ms go; the least used makes room.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "net/background.h"
#include "upstream/group.h"

namespace keepgate::upstream {

class NamedGroups {
 public:
  static constexpr std::size_t groups_max = 1'000;
  static constexpr std::int64_t unused_ms = 300'000;

  using GroupPointer = std::shared_ptr<const Group>;

  struct Wanted {
    std::string_view host;  // A DNS name, or an address; of IPv6 in brackets.
    std::uint16_t port = 0;
    std::shared_ptr<const net::ResolverOptions> resolver;  // nullptr: addresses only.
    std::int64_t timeout_ms = 30'000;
  };

  NamedGroups(net::Loop& loop, net::Background& background)
      : loop_(loop), background_(background), reply_address_(std::make_shared<net::ReplyAddress>(loop)) {}
  ~NamedGroups() { reply_address_->close(); }
  NamedGroups(const NamedGroups&) = delete;
  NamedGroups& operator=(const NamedGroups&) = delete;

  // What is known and not over: costs one lookup in a table. nullptr: ask find().
  GroupPointer known(const Wanted& wanted);
  // Asks the name servers if it has to. Hangup of `client` ends it.
  net::Task<Result<GroupPointer>> find(Wanted wanted, net::Stream* client);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const net::ResolverOptions> resolver;  // Held, so that its address stays its own.
    std::shared_ptr<Group> group;
    std::shared_ptr<const net::ResolvedName> made_of;
    std::int64_t ask_again_ms = 0, used_ms = 0;
    std::list<Entry*>::iterator place;  // In by_use_.
  };

  std::string_view key_of(const Wanted& wanted);
  Entry* entry(std::string_view key);
  Entry& add(std::string key, const Wanted& wanted, std::vector<Server> servers);
  void drop_unused(std::int64_t now_ms);

  net::Loop& loop_;
  net::Background& background_;
  std::shared_ptr<net::ReplyAddress> reply_address_;
  std::unordered_map<std::string_view, std::unique_ptr<Entry>> entries_;  // The key lies in the entry.
  std::list<Entry*> by_use_;                                              // The one used last in front.
  std::string scratch_;
};

}  // namespace keepgate::upstream

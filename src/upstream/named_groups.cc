#include "upstream/named_groups.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "upstream/peer.h"

namespace keepgate::upstream {

namespace {

std::vector<Server> servers_of(const net::ResolvedName& found, std::string_view name, std::uint16_t port) {
  std::vector<Server> out;
  for (const net::Address& address : found.addresses) {
    Server server;
    server.address = address.with_port(port);
    server.name = name;
    out.push_back(std::move(server));
  }
  return out;
}

Error failed(std::string why) {
  return {ErrorKind::unreachable, Blame::upstream, Retry::never, "bad_gateway", std::move(why)};
}

}  // namespace

// Names compare without case; the same name with other name servers is another group.
std::string_view NamedGroups::key_of(const Wanted& wanted) {
  scratch_.clear();
  for (const char c : wanted.host) scratch_.push_back(to_lower(c));
  append(scratch_, ':', wanted.port, '@', reinterpret_cast<std::uintptr_t>(wanted.resolver.get()));
  return scratch_;
}

NamedGroups::Entry* NamedGroups::entry(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  Entry& entry = *found->second;
  entry.used_ms = loop_.now().monotonic_ms;
  by_use_.splice(by_use_.begin(), by_use_, entry.place);
  return &entry;
}

NamedGroups::GroupPointer NamedGroups::known(const Wanted& wanted) {
  const Entry* const found = entry(key_of(wanted));
  return found && loop_.now().monotonic_ms < found->ask_again_ms ? found->group : nullptr;
}

void NamedGroups::drop_unused(std::int64_t now_ms) {
  while (!by_use_.empty() && (entries_.size() >= groups_max || now_ms - by_use_.back()->used_ms > unused_ms)) {
    const std::string_view key = by_use_.back()->key;
    by_use_.pop_back();
    entries_.erase(key);
  }
}

NamedGroups::Entry& NamedGroups::add(std::string key, const Wanted& wanted, std::vector<Server> servers) {
  drop_unused(loop_.now().monotonic_ms);
  auto made = std::make_unique<Entry>();
  made->key = std::move(key);
  made->resolver = wanted.resolver;
  made->used_ms = loop_.now().monotonic_ms;
  Group group;
  group.name = cat(wanted.host, ':', wanted.port);
  group.servers = std::move(servers);
  made->group = make_group(std::move(group));
  by_use_.push_front(made.get());
  made->place = by_use_.begin();
  Entry& out = *made;
  entries_.emplace(out.key, std::move(made));
  return out;
}

net::Task<Result<NamedGroups::GroupPointer>> NamedGroups::find(Wanted wanted, net::Stream* client) {
  if (GroupPointer group = known(wanted)) co_return group;
  std::string key(key_of(wanted));
  const std::string name = cat(wanted.host, ':', wanted.port);
  if (const auto address = net::Address::ip(wanted.host, wanted.port)) {
    Server server;
    server.address = *address;
    server.name = name;
    Entry& made = add(std::move(key), wanted, {std::move(server)});
    made.ask_again_ms = INT64_MAX;
    co_return made.group;
  }
  const std::string host(wanted.host);
  if (!wanted.resolver) co_return std::unexpected(failed(cat("no resolver defined to resolve ", printable(host))));
  const net::NameAnswer answer = co_await background_.resolve(reply_address_, *wanted.resolver, host,
                                                              net::NameKind::addresses, wanted.timeout_ms, client);
  if (!answer.found && answer.why == "cancelled") {
    co_return std::unexpected(Error{ErrorKind::cancelled, Blame::client, Retry::never, "cancelled", "cancelled"});
  }
  if (!answer.found) {
    co_return std::unexpected(failed(cat(printable(host), " could not be resolved (", answer.why, ")")));
  }
  Entry* found = entry(key);  // Others may have made it, or it may be gone, by now.
  if (!found) found = &add(std::move(key), wanted, servers_of(*answer.found, name, wanted.port));
  if (found->made_of && found->made_of->addresses != answer.found->addresses) {
    found->group->peers->replace(servers_of(*answer.found, name, wanted.port));
  }
  found->made_of = answer.found;
  found->ask_again_ms = answer.ask_again_ms;
  co_return found->group;
}

}  // namespace keepgate::upstream

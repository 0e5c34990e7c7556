#include "upstream/name_keeper.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "upstream/peer.h"

namespace keepgate::upstream {

namespace {

constexpr unsigned ring_weight_max = 64;

// Asks on the loop that the resolver runs on: often the answer is there at once.
class LookUp {
 public:
  LookUp(net::Resolver& resolver, const Group& group, std::string_view name, net::NameKind kind) {
    resolver.look_up(*group.resolver, name, kind, group.resolver_timeout_ms, [shared = shared_](const auto& answer) {
      shared->answer = answer;
      shared->done = true;
      if (shared->waiting) shared->waiting.resume();
    });
  }
  bool await_ready() const { return shared_->done; }
  void await_suspend(std::coroutine_handle<> handle) { shared_->waiting = handle; }
  net::NameAnswer await_resume() { return std::move(shared_->answer); }

 private:
  struct Shared {
    net::NameAnswer answer;
    bool done = false;
    std::coroutine_handle<> waiting;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace

void NameKeeper::keep(std::vector<std::shared_ptr<const Group>> groups) {
  std::erase_if(groups, [](const auto& group) { return group->named.empty(); });
  background_.loop().post(net::make_message([this, groups = std::move(groups)](net::Loop&) { keep_now(groups); }));
}

void NameKeeper::keep_now(const std::vector<std::shared_ptr<const Group>>& groups) {
  for (auto one = watches_.begin(); one != watches_.end();) {
    const bool stays = std::ranges::any_of(groups, [&](const auto& group) { return group.get() == one->first; });
    if (stays) {
      ++one;
      continue;
    }
    one->second->ended = true;
    if (one->second->sleeping) one->second->sleeping->wake(net::Wake::cancelled);
    one = watches_.erase(one);
  }
  for (const auto& group : groups) {
    if (watches_.contains(group.get())) continue;
    auto made = std::make_shared<Watch>();
    made->group = group;
    watches_.emplace(group.get(), made);
    watch(std::move(made));
  }
}

net::Detached NameKeeper::watch(std::shared_ptr<Watch> watch) {
  net::Loop& loop = background_.loop();
  const Group& group = *watch->group;
  std::vector<Server> last = group.servers;
  while (!watch->ended && !background_.ending()) {
    std::vector<Server> servers;
    std::int64_t again_ms = INT64_MAX;
    std::size_t fixed = 0;
    for (const NamedServer& named : group.named) {
      while (fixed < named.place) servers.push_back(group.servers[fixed++]);
      std::int64_t this_one_ms = 0;
      if (named.service.empty()) {
        this_one_ms = co_await add_addresses(group, named.host, named.prototype, servers);
      } else {
        this_one_ms = co_await add_services(group, named, servers);
      }
      again_ms = std::min(again_ms, this_one_ms);
    }
    while (fixed < group.servers.size()) servers.push_back(group.servers[fixed++]);
    if (watch->ended || background_.ending()) break;
    if (servers != last) {
      log(LogLevel::notice, "upstream ", group.name, " has ", servers.size(), " servers now, it had ", last.size());
      group.peers->replace(servers);
      last = std::move(servers);
    }
    net::SleepUntil sleep(loop, again_ms);
    watch->sleeping = &sleep;
    co_await sleep;
    watch->sleeping = nullptr;
  }
}

net::Task<net::NameAnswer> NameKeeper::look_up(const Group& group, std::string name, net::NameKind kind) {
  net::NameAnswer answer = co_await LookUp(background_.resolver(), group, name, kind);
  if (!answer.found && !background_.ending()) {
    log(LogLevel::error, printable(name), " could not be resolved (", answer.why, "), in upstream ", group.name);
  }
  co_return answer;
}

// Returns when to ask again, as does the next one.
net::Task<std::int64_t> NameKeeper::add_addresses(const Group& group, std::string host, Server prototype,
                                                  std::vector<Server>& out) {
  const std::uint16_t port = prototype.address.port();
  const net::NameAnswer answer = co_await look_up(group, std::move(host), net::NameKind::addresses);
  if (!answer.found) co_return answer.ask_again_ms;
  for (const net::Address& address : answer.found->addresses) {
    prototype.address = address.with_port(port);
    out.push_back(prototype);
  }
  co_return answer.ask_again_ms;
}

// RFC 2782: servers of a higher priority number are asked only when the others are out.
net::Task<std::int64_t> NameKeeper::add_services(const Group& group, const NamedServer& named,
                                                 std::vector<Server>& out) {
  const net::NameAnswer answer = co_await look_up(group, named.service, net::NameKind::services);
  std::int64_t again_ms = answer.ask_again_ms;
  if (!answer.found) co_return again_ms;
  for (const net::ServiceRecord& service : answer.found->services) {
    Server prototype = named.prototype;
    prototype.address = prototype.address.with_port(service.port);
    // On a ring a weight takes memory.
    const unsigned weight_max = group.method == Method::consistent_hash ? ring_weight_max : UINT16_MAX;
    prototype.weight = std::clamp<unsigned>(service.weight, 1, weight_max);
    prototype.backup = prototype.backup || service.priority > answer.found->services.front().priority;
    again_ms = std::min(again_ms, co_await add_addresses(group, service.host, std::move(prototype), out));
  }
  co_return again_ms;
}

}  // namespace keepgate::upstream

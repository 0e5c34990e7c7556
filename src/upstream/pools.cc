#include "upstream/pools.h"

#include <algorithm>

#include "base/bytes.h"
#include "net/socket.h"

namespace keepgate::upstream {

namespace {
constexpr std::int64_t sweep_every_ms = 2'000;
constexpr std::int64_t unused_pool_ms = 120'000;
}  // namespace

Pool::Pool(net::Loop& loop, std::shared_ptr<const Group> group, std::shared_ptr<const tls::ClientContext> tls,
           std::string tls_name, std::shared_ptr<Balance> balance, net::LocalEnd local)
    : last_used_ms(loop.now().monotonic_ms),
      loop_(loop),
      group_(std::move(group)),
      tls_(std::move(tls)),
      tls_name_(std::move(tls_name)),
      balance_(std::move(balance)),
      local_(std::move(local)) {}

bool Pool::fresh_enough(const Link& link, std::int64_t now_ms) const {
  // Anything to read on an idle connection is its end or an answer to nobody's question.
  return !link.stream.maybe_readable() && !link.stream.hung_up() && !link.stream.cancelled() &&
         now_ms - link.idle_since_ms < group_->keepalive_timeout_ms &&
         now_ms - link.made_ms < group_->keepalive_time_ms;
}

std::vector<Link>& Pool::stack_of(const Seat& seat) {
  if (idle_.size() <= seat.number) idle_.resize(seat.number + 1);
  return idle_[seat.number];
}

std::optional<Link> Pool::take_idle(const Seat& seat) {
  std::vector<Link>& stack = stack_of(seat);
  last_used_ms = loop_.now().monotonic_ms;
  while (!stack.empty()) {
    Link link = std::move(stack.back());
    stack.pop_back();
    --idle_count_;
    if (link.peer == seat.peer && fresh_enough(link, last_used_ms)) return link;
  }
  return std::nullopt;
}

net::Task<Result<Link>> Pool::connect(const Seat& seat, std::int64_t timeout_ms, net::Stream* client,
                                      std::string_view preface) {
  const std::int64_t deadline = loop_.now().monotonic_ms + timeout_ms;
  auto stream = co_await net::connect(loop_, seat.peer->server.address, deadline, client, local_);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  Link link;
  link.stream = std::move(*stream);
  link.peer = seat.peer;
  link.made_ms = loop_.now().monotonic_ms;
  if (!preface.empty()) {
    iovec whole{const_cast<char*>(preface.data()), preface.size()};
    auto sent = co_await net::write_all(link.stream, &whole, 1, timeout_ms);
    if (!sent) co_return std::unexpected(std::move(sent.error()));
  }
  if (tls_) {
    link.stream.set_layer(tls::make_client_layer(link.stream.descriptor(), tls_, tls_name_));
    auto done = co_await net::handshake(link.stream, deadline);
    if (!done) {
      Error error = std::move(done.error());
      error.detail = cat("TLS handshake with the upstream failed: ", error.detail);
      error.blame = Blame::upstream;
      co_return std::unexpected(std::move(error));
    }
  }
  co_return link;
}

void Pool::give_back(Link link, const Seat& seat) {
  ++link.requests;
  link.idle_since_ms = loop_.now().monotonic_ms;
  if (group_->keepalive == 0 || link.requests >= group_->keepalive_requests) return;
  if (!fresh_enough(link, link.idle_since_ms)) return;
  std::vector<Link>& stack = stack_of(seat);
  if (idle_count_ >= group_->keepalive) drop_oldest();
  stack.push_back(std::move(link));
  ++idle_count_;
}

// Of all servers together: the connection that has waited longest makes room.
void Pool::drop_oldest() {
  std::vector<Link>* oldest = nullptr;
  for (std::vector<Link>& stack : idle_) {
    if (stack.empty()) continue;
    if (oldest == nullptr || stack.front().idle_since_ms < oldest->front().idle_since_ms) oldest = &stack;
  }
  oldest->erase(oldest->begin());
  --idle_count_;
}

void Pool::drop_idle(std::int64_t now_ms) {
  for (std::vector<Link>& stack : idle_) {
    const std::size_t before = stack.size();
    std::erase_if(stack, [&](const Link& link) { return !fresh_enough(link, now_ms); });
    idle_count_ -= before - stack.size();
  }
}

std::shared_ptr<Pool> Pools::pool(const std::shared_ptr<const Group>& group,
                                  const std::shared_ptr<const tls::ClientContext>& tls, const std::string& tls_name,
                                  const LocalSide& local) {
  Key key{group.get(), tls.get(), tls_name, std::string(local.address), local.transparent, local.keep_alive};
  if (const auto found = pools_.find(key); found != pools_.end()) return found->second;
  net::LocalEnd end{std::nullopt, local.transparent, local.keep_alive};
  if (!local.address.empty()) {
    end.address = net::Address::ip_with_port(local.address);
    KG_ASSERT(end.address);
  }
  auto made = std::make_shared<Pool>(loop_, group, tls, tls_name, balance_of(group), std::move(end));
  if (!local.address.empty() && bound_pools_ >= bound_pools_max) return made;
  if (!local.address.empty()) ++bound_pools_;
  pools_.emplace(std::move(key), made);
  return made;
}

std::shared_ptr<Balance> Pools::balance_of(const std::shared_ptr<const Group>& group) {
  std::weak_ptr<Balance>& known = balances_[group.get()];
  std::shared_ptr<Balance> balance = known.lock();
  if (!balance) known = balance = std::make_shared<Balance>(group);
  return balance;
}

void Pools::sweep() {
  const std::int64_t now_ms = loop_.now().monotonic_ms;
  for (auto& [key, pool] : pools_) pool->drop_idle(now_ms);
  std::erase_if(pools_, [&](const auto& entry) {
    return entry.second->idle_count() == 0 && entry.second.use_count() == 1 &&
           now_ms - entry.second->last_used_ms > unused_pool_ms;
  });
  bound_pools_ = static_cast<std::size_t>(
      std::ranges::count_if(pools_, [](const auto& entry) { return !entry.first.local.empty(); }));
  std::erase_if(balances_, [](const auto& entry) { return entry.second.expired(); });
}

void Pools::close_idle() {
  pools_.clear();
  bound_pools_ = 0;
}

net::Detached sweep_regularly(Pools& pools, net::Loop& loop, const bool& stopped) {
  while (!stopped) {
    co_await net::SleepUntil(loop, loop.now().monotonic_ms + sweep_every_ms);
    if (!stopped) pools.sweep();
  }
}

}  // namespace keepgate::upstream

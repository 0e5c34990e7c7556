#include "process/workers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "fetch/client.h"
#include "issuer/feed_service.h"
#include "issuer/introspector.h"
#include "issuer/service.h"
#include "net/background.h"
#include "net/socket.h"
#include "oauth/service.h"
#include "password/pool.h"
#include "store/api_key_file.h"
#include "store/file_watcher.h"
#include "store/revocation_file.h"
#include "store/user_file.h"
#include "upstream/health_check.h"
#include "upstream/name_keeper.h"

namespace keepgate::process {

namespace {

constexpr fetch::ClientBounds introspection_bounds{
    .transfers = 64, .connections = 64, .waiting = 1'000, .transfers_per_host = 32};
// One question a feed, and those of a configuration that is going.
constexpr fetch::ClientBounds feed_bounds{.transfers = 32, .connections = 16, .waiting = 32, .transfers_per_host = 32};
constexpr std::int64_t first_list_ms = 2'000;
std::vector<std::shared_ptr<store::FollowedFile>> followed_files(const pipeline::Snapshot& snapshot) {
  std::vector<std::shared_ptr<store::FollowedFile>> out;
  out.insert(out.end(), snapshot.api_key_files.begin(), snapshot.api_key_files.end());
  out.insert(out.end(), snapshot.user_files.begin(), snapshot.user_files.end());
  if (snapshot.revocation_file) out.push_back(snapshot.revocation_file);
  return out;
}

}  // namespace

Workers::Workers() = default;

Workers::~Workers() { join(); }

Result<void> Workers::open(std::shared_ptr<const pipeline::Snapshot> snapshot, const std::vector<Listener>& inherited) {
  auto listeners = bind_listeners(inherited, snapshot->listeners, snapshot->worker_count);
  if (!listeners) return std::unexpected(std::move(listeners.error()));
  listeners_ = std::move(*listeners);
  published_.publish(std::move(snapshot));
  return {};
}

Result<void> Workers::start() {
  if (auto started = start_background(); !started) return started;
  issuers_->use(current()->issuers);  // Before any worker can ask for their keys.
  if (auto started = start_authorization(*current()); !started) return started;
  if (auto started = follow_feeds(*current()); !started) return started;
  if (auto started = start_threads(current()->worker_count); !started) return started;
  name_keeper_->keep(current()->groups);
  health_checker_->check(current()->health_checks);
  file_watcher_->watch(followed_files(*current()));
  assign({});
  return {};
}

Result<void> Workers::start_background() {
  if (background_) return {};
  auto background = std::make_unique<net::Background>();
  if (!background->start()) return fail(ErrorKind::io, Blame::us, "threads", "the background thread cannot be started");
  background_ = std::move(background);
  name_keeper_ = std::make_unique<upstream::NameKeeper>(*background_);
  health_checker_ = std::make_unique<upstream::HealthChecker>(*background_);
  file_watcher_ = std::make_unique<store::FileWatcher>();
  passwords_ = std::make_unique<password::Pool>();
  fetcher_ = std::make_unique<fetch::Client>();
  issuers_ = std::make_unique<issuer::IssuerService>(*background_, *fetcher_);
  introspection_fetcher_ = std::make_unique<fetch::Client>(introspection_bounds);
  introspector_ = std::make_unique<issuer::Introspector>(*introspection_fetcher_);
  feed_fetcher_ = std::make_unique<fetch::Client>(feed_bounds);
  feeds_ = std::make_unique<issuer::FeedService>(*feed_fetcher_);
  return {};
}

// After the program has become whom it should be: files that it makes are that user's.
Result<void> Workers::start_authorization(const pipeline::Snapshot& snapshot) {
  if (!snapshot.authorization_service) return {};
  auto started = snapshot.authorization_service->start(snapshot.authorization_settings);
  if (!started) started.error().detail = cat("authorization_server: ", started.error().detail);
  return started;
}

// Before any worker can ask what is revoked.
Result<void> Workers::follow_feeds(const pipeline::Snapshot& snapshot) {
  if (!feeds_->use(snapshot.revocation_feeds)) {
    return fail(ErrorKind::io, Blame::us, "threads", "the thread that follows revocations cannot be started");
  }
  feeds_->await_lists(snapshot.revocation_feeds, first_list_ms);
  return {};
}

Result<void> Workers::start_threads(unsigned count) {
  const auto before = static_cast<unsigned>(threads_.size());
  while (threads_.size() < count) {
    const Services services{*background_, *issuers_, *introspector_, *passwords_};
    auto thread = std::make_unique<WorkerThread>(published_, services, static_cast<unsigned>(threads_.size()));
    if (!thread->start()) {
      retire_surplus(before, {});
      return fail(ErrorKind::io, Blame::us, "threads", cat("worker ", thread->number(), " cannot be started"));
    }
    threads_.push_back(std::move(thread));
  }
  return {};
}

// Socket j goes to worker j; those left over are spread, and workers left over share what there is.
void Workers::assign(const SocketList& removed) {
  const auto snapshot = current();
  std::vector<std::vector<SocketUse>> uses(threads_.size());
  for (const Listener& listener : listeners_) {
    const std::size_t sockets = listener.sockets.size();
    for (std::size_t i = 0; i < std::max(sockets, threads_.size()); ++i) {
      const bool shared = threads_.size() > sockets;
      uses[i % threads_.size()].push_back({listener.address, listener.sockets[i % sockets], shared});
    }
  }
  for (std::size_t i = 0; i < threads_.size(); ++i) threads_[i]->use(std::move(uses[i]), removed, snapshot);
}

// What they accepted from belongs to others from now on.
void Workers::retire_surplus(unsigned count, const SocketList& removed) {
  while (threads_.size() > count) {
    threads_.back()->use({}, removed, current());
    threads_.back()->drain(Sockets::hand_over, shutdown_timeout_ms());
    retired_.push_back(std::move(threads_.back()));
    threads_.pop_back();
  }
}

// Those that are not closed are left open for another process; both kinds are served to the end of their queues.
Workers::SocketList Workers::give_up(const std::vector<Listener>& listeners, Sockets sockets) {
  SocketList out;
  for (const Listener& one : listeners) {
    if (sockets == Sockets::close) one.unlink_path();
    for (const auto& socket : one.sockets) {
      if (sockets == Sockets::close && !one.fixed && !one.address.is_unix()) net::send_nobody_new(socket->descriptor());
      if (!one.fixed && !one.address.is_unix()) going_.push_back({one.address, socket});
      out.push_back(socket);
    }
  }
  return out;
}

Result<void> Workers::reload(std::shared_ptr<const pipeline::Snapshot> snapshot, Sockets gone) {
  const unsigned count = snapshot->worker_count;
  // What may fail comes first.
  const auto before = static_cast<unsigned>(threads_.size());
  if (auto started = start_threads(count); !started) return started;
  std::erase_if(going_, [](const Going& one) { return one.socket.expired(); });
  std::vector<net::Address> going;
  for (const Going& one : going_) going.push_back(one.address);
  auto listeners = bind_listeners(listeners_, snapshot->listeners, count, going);
  if (!listeners) {
    retire_surplus(before, {});
    return std::unexpected(std::move(listeners.error()));
  }
  auto started = start_authorization(*snapshot);
  if (started) started = follow_feeds(*snapshot);
  if (!started) {
    retire_surplus(before, {});
    return started;
  }
  const auto removed = give_up(removed_listeners(listeners_, *listeners), gone);
  issuers_->use(snapshot->issuers);  // Before any worker can ask for their keys.
  published_.publish(std::move(snapshot));
  name_keeper_->keep(current()->groups);
  health_checker_->check(current()->health_checks);
  file_watcher_->watch(followed_files(*current()));
  listeners_ = std::move(*listeners);
  retire_surplus(count, removed);
  assign(removed);
  return {};
}

std::int64_t Workers::shutdown_timeout_ms() const { return current()->shutdown_timeout_ms; }

void Workers::drain(Sockets sockets) {
  if (!current()) return;  // Never opened.
  give_up(listeners_, sockets);
  if (sockets == Sockets::close) listeners_.clear();
  for (const auto& thread : threads_) thread->drain(sockets, shutdown_timeout_ms());
  std::move(threads_.begin(), threads_.end(), std::back_inserter(retired_));
  threads_.clear();
}

void Workers::stop(Sockets sockets) {
  if (sockets == Sockets::close) {
    for (const Listener& one : listeners_) one.unlink_path();
  }
  for (const auto& thread : threads_) thread->stop();
  for (const auto& thread : retired_) thread->stop();
}

bool Workers::finished() const {
  const auto is_finished = [](const auto& thread) { return thread->finished(); };
  return std::ranges::all_of(threads_, is_finished) && std::ranges::all_of(retired_, is_finished);
}

void Workers::join() {
  for (const auto& thread : threads_) thread->join();
  for (const auto& thread : retired_) thread->join();
  if (passwords_) passwords_->stop();
  if (fetcher_) fetcher_->stop();  // First: what it calls back goes to the background's loop.
  if (introspection_fetcher_) introspection_fetcher_->stop();
  if (feed_fetcher_) feed_fetcher_->stop();
  if (feeds_) feeds_->stop();
  if (background_) background_->stop();
}

void Workers::reap() {
  std::erase_if(retired_, [](const auto& thread) { return thread->finished(); });
}

std::vector<unsigned> Workers::ask() {
  std::vector<unsigned> silent;
  for (const auto& thread : threads_) {
    if (thread->answered()) {
      thread->ask();
    } else {
      silent.push_back(thread->number());
    }
  }
  return silent;
}

}  // namespace keepgate::process

// FeedService: the FeedKeeper of the running program, on a thread of its own: a big list takes a moment to read, and no
// request, name or key shall wait for that.
//
// Thread rule: one owner calls use(), await_lists() and stop(). Lifetime: the fetcher stops first. The thread starts
// with the first feed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fetch/fetcher.h"
#include "issuer/feed_keeper.h"
#include "issuer/revocation_feed.h"

namespace keepgate::issuer {

class FeedService {
 public:
  using Feeds = std::vector<std::shared_ptr<RevocationFeed>>;

  explicit FeedService(fetch::Fetcher& fetcher, const FeedBounds& bounds = {});
  ~FeedService();
  FeedService(const FeedService&) = delete;
  FeedService& operator=(const FeedService&) = delete;

  // These feeds from now on, and no others. false: the system has no thread left.
  [[nodiscard]] bool use(const Feeds& feeds);
  // Returns when each that is required was asked once, in vain or not, after `ms` at the latest: what starts while its
  // servers answer knows what they say before it decides anything.
  void await_lists(const Feeds& feeds, std::int64_t ms);
  void stop();

 private:
  void post(std::function<void(Now)> action);
  void run();

  std::mutex mutex_;  // Of what follows.
  std::condition_variable changed_, answered_;
  std::deque<std::function<void(Now)>> actions_;
  bool ending_ = false;
  FeedKeeper keeper_;  // The thread's.
  std::thread thread_;
};

}  // namespace keepgate::issuer

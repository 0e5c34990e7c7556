#include "issuer/feed_service.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace keepgate::issuer {
namespace {

constexpr std::int64_t long_ms = 20'000;

// Answers each question at once, on the asking thread, with what it is told to.
class PromptServer final : public fetch::Fetcher {
 public:
  void fetch(fetch::Request, Callback callback) override {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
      if (is_silent_) return held_.push_back(std::move(callback));
    }
    callback(keepgate::fail(ErrorKind::unreachable, Blame::upstream, "fetch_failed", "nobody is there"));
  }
  void be_silent() {
    const std::lock_guard lock(mutex_);
    is_silent_ = true;
  }
  void answer_held(std::string_view version, std::string_view body) {
    std::vector<Callback> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (const Callback& callback : held) {
      fetch::Response response;
      response.status = 200;
      response.body = body;
      response.headers = {
          {"revocation-version", std::string(version)}, {"content-type", "text/plain"}, {"content-length", "1"}};
      callback(std::move(response));
    }
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  bool is_silent_ = false;
  int count_ = 0;
  std::vector<Callback> held_;
};

std::shared_ptr<RevocationFeed> a_feed(bool is_optional = false) {
  FeedOptions options;
  options.url = "https://as.example/revocations";
  options.is_optional = is_optional;
  return std::make_shared<RevocationFeed>(options);
}

TEST(FeedService, waits_until_each_server_was_asked_in_vain_or_not) {
  PromptServer server;
  FeedService service(server);
  const FeedService::Feeds feeds{a_feed()};
  ASSERT_TRUE(service.use(feeds));
  service.await_lists(feeds, long_ms);
  EXPECT_TRUE(feeds[0]->was_asked());
  EXPECT_GE(server.count(), 1);
  service.stop();
}

TEST(FeedService, takes_what_comes_on_its_own_thread) {
  PromptServer server;
  server.be_silent();
  FeedService service(server);
  const FeedService::Feeds feeds{a_feed()};
  ASSERT_TRUE(service.use(feeds));
  service.await_lists(feeds, 20);
  EXPECT_FALSE(feeds[0]->was_asked()) << "nobody answers";
  while (server.count() == 0) std::this_thread::yield();
  server.answer_held("1", "sub a\n");
  service.await_lists(feeds, long_ms);
  ASSERT_NE(feeds[0]->list().current(), nullptr);
  EXPECT_EQ(feeds[0]->list().current()->size(), 1U);
  service.stop();
  EXPECT_TRUE(service.use({}));
}

TEST(FeedService, waits_for_no_optional_one_and_has_no_thread_without_feeds) {
  PromptServer server;
  server.be_silent();
  FeedService service(server);
  ASSERT_TRUE(service.use({}));
  service.await_lists({}, long_ms);
  const FeedService::Feeds feeds{a_feed(true)};
  ASSERT_TRUE(service.use(feeds));
  service.await_lists(feeds, long_ms);
  EXPECT_FALSE(feeds[0]->was_asked());
}

}  // namespace
}  // namespace keepgate::issuer

#include "fetch/wait.h"

#include <gtest/gtest.h>

#include <thread>

namespace keepgate::fetch {
namespace {

// Answers from another thread, or never.
class FakeFetcher final : public Fetcher {
 public:
  explicit FakeFetcher(bool answers) : answers_(answers) {}
  ~FakeFetcher() override {
    if (thread_.joinable()) thread_.join();
  }
  void fetch(Request request, Callback callback) override {
    if (!answers_) return;
    thread_ = std::thread([url = request.url, callback] {
      Response out;
      out.status = 200;
      out.body = url;
      callback(std::move(out));
    });
  }

 private:
  bool answers_;
  std::thread thread_;
};

net::Detached ask(net::Loop& loop, FakeFetcher& fetcher, std::int64_t timeout_ms, Result<Response>& out) {
  auto mine = std::make_shared<net::ReplyAddress>(loop);
  Request request;
  request.url = "https://a/";
  out = co_await fetch_on(mine, fetcher, request, timeout_ms, nullptr);
  mine->close();
  loop.stop();
}

TEST(FetchWait, resumes_with_the_answer_on_its_own_loop) {
  net::Loop loop;
  FakeFetcher fetcher(true);
  Result<Response> out;
  ask(loop, fetcher, 60'000, out);
  loop.run();
  ASSERT_TRUE(out) << out.error().detail;
  EXPECT_EQ(out->body, "https://a/");
}

TEST(FetchWait, resumes_without_an_answer_when_the_time_is_over) {
  net::Loop loop;
  FakeFetcher fetcher(false);
  Result<Response> out;
  ask(loop, fetcher, 1, out);
  loop.run();
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().kind, ErrorKind::timeout);
}

}  // namespace
}  // namespace keepgate::fetch

// Asking endpoints, on a simulated clock and without a network.
#include "issuer/introspector.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/bytes.h"

namespace keepgate::issuer {
namespace {

using auth::Answer;

class Scripted final : public fetch::Fetcher {
 public:
  void fetch(fetch::Request request, Callback callback) override {
    ++count;
    requests.push_back(std::move(request));
    callbacks.push_back(std::move(callback));
  }
  void end(Result<fetch::Response> result) {
    ASSERT_FALSE(callbacks.empty());
    const Callback callback = std::move(callbacks.front());
    callbacks.pop_front();
    callback(std::move(result));
  }
  void answer(std::string body, unsigned status = 200, std::string type = "application/json") {
    fetch::Response response;
    response.status = status;
    response.body = std::move(body);
    response.headers.push_back({"content-type", std::move(type)});
    end(std::move(response));
  }
  void break_off(ErrorKind kind = ErrorKind::timeout) {
    end(keepgate::fail(kind, Blame::upstream, "fetch_failed", "no answer in time"));
  }
  int count = 0;
  std::vector<fetch::Request> requests;
  std::deque<Callback> callbacks;
};

struct Desk {
  explicit Desk(const IntrospectorBounds& bounds = {}, auth::EndpointOptions options = {})
      : introspector(fetcher, [this] { return now; }, bounds) {
    options.url = "https://idp.example/introspect";
    endpoint = std::make_shared<auth::IntrospectionEndpoint>(std::move(options));
  }
  void ask(std::string_view token, std::int64_t cache_ms = 0) {
    introspector.ask(auth::IntrospectionNeed(endpoint, token, cache_ms),
                     [this](Answer answer) { told.push_back(std::move(answer)); });
  }
  bool knows(std::string_view token, std::int64_t cache_ms) {
    return introspector.find(auth::IntrospectionNeed(endpoint, token, cache_ms)).has_value();
  }
  static bool is_active(const Answer& answer) {
    const auto* said = dynamic_cast<const auth::IntrospectionAnswer*>(answer.value.get());
    return answer.is_good && said && said->is_active;
  }

  Now now{1'000, 1'900'000'000'000};
  Scripted fetcher;
  std::shared_ptr<auth::IntrospectionEndpoint> endpoint;
  Introspector introspector;
  std::vector<Answer> told;
};

TEST(Introspector, asks_as_rfc_7662_says) {
  auth::EndpointOptions options;
  options.client_id = "gate way";
  options.client_secret = std::make_shared<const std::string>("s+:é");
  options.timeout_ms = 700;
  Desk desk({}, options);
  desk.ask("a/b+c=~");
  ASSERT_EQ(desk.fetcher.count, 1);
  const fetch::Request& request = desk.fetcher.requests[0];
  EXPECT_EQ(request.method, fetch::Method::post);
  EXPECT_EQ(request.url, "https://idp.example/introspect");
  EXPECT_EQ(request.body, "token=a%2Fb%2Bc%3D%7E&token_type_hint=access_token");
  EXPECT_EQ(request.redirects_max, 0U);
  EXPECT_EQ(request.plain, fetch::Plain::refused);
  EXPECT_EQ(request.reach, fetch::Reach::global);
  EXPECT_EQ(request.timeout_ms, 700);
  EXPECT_LE(request.connect_timeout_ms, 700);
  EXPECT_TRUE(request.is_secret);
  ASSERT_EQ(request.headers.size(), 3U);
  EXPECT_EQ(request.headers[2].name, "Authorization");
  EXPECT_EQ(request.headers[2].value, "Basic Z2F0ZSt3YXk6cyUyQiUzQSVDMyVBOQ==");  // gate+way:s%2B%3A%C3%A9
}

TEST(Introspector, asks_once_for_everybody_who_waits) {
  Desk desk;
  for (int i = 0; i < 200; ++i) desk.ask("t");
  desk.ask("u");
  EXPECT_EQ(desk.fetcher.count, 2);
  EXPECT_TRUE(desk.told.empty());
  desk.fetcher.answer(R"({"active":true})");
  ASSERT_EQ(desk.told.size(), 200U);
  for (const Answer& answer : desk.told) EXPECT_TRUE(Desk::is_active(answer));
  desk.ask("t");  // Nothing is remembered without cache=.
  EXPECT_EQ(desk.fetcher.count, 3);
}

TEST(Introspector, remembers_what_it_was_told_for_as_long_as_each_may) {
  Desk desk;
  desk.ask("t", 2'000);
  desk.ask("t", 0);
  desk.fetcher.answer(R"({"active":true})");
  EXPECT_TRUE(desk.knows("t", 2'000));
  EXPECT_FALSE(desk.knows("t", 0));
  desk.now.monotonic_ms += 2'000;
  EXPECT_FALSE(desk.knows("t", 2'000));
  desk.ask("dead", 0);
  desk.fetcher.answer(R"({"active":false})");
  EXPECT_TRUE(desk.knows("dead", 0));
  desk.ask("dead", 0);
  EXPECT_EQ(desk.fetcher.count, 2);
  EXPECT_FALSE(Desk::is_active(desk.told.back()));
  EXPECT_TRUE(desk.told.back().is_good);
}

TEST(Introspector, knows_nothing_when_an_answer_cannot_be_used) {
  struct Case {
    const char* body;
    unsigned status;
    const char* type;
  };
  for (const Case& one : {Case{R"({"active":true})", 500, "application/json"},
                          {R"({"active":true})", 401, "application/json"},
                          {R"({"active":true})", 302, "application/json"},
                          {R"({"active":true})", 201, "application/json"},
                          {R"({"active":true})", 200, "text/html"},
                          {R"({"active":"true"})", 200, "application/json"},
                          {"<html>", 200, "application/json"},
                          {"", 204, ""}}) {
    Desk desk;
    desk.ask("t", 60'000);
    desk.fetcher.answer(one.body, one.status, one.type);
    ASSERT_EQ(desk.told.size(), 1U);
    EXPECT_FALSE(desk.told[0].is_good) << one.body << one.status;
    EXPECT_EQ(desk.told[0].value, nullptr);
    EXPECT_FALSE(desk.told[0].reason.empty());
    EXPECT_FALSE(desk.knows("t", 60'000));
  }
}

TEST(Introspector, asks_a_silent_endpoint_once_a_second_and_goes_on_when_it_answers) {
  Desk desk;
  for (int i = 0; i < 3; ++i) {
    desk.ask(cat("t", i));
    desk.fetcher.break_off();
  }
  desk.ask("t4");
  EXPECT_EQ(desk.fetcher.count, 3);
  ASSERT_EQ(desk.told.size(), 4U);
  EXPECT_FALSE(desk.told.back().is_good);
  desk.now.monotonic_ms += 1'000;
  desk.ask("t5");
  desk.ask("t6");
  EXPECT_EQ(desk.fetcher.count, 4);
  desk.fetcher.answer(R"({"active":true})");
  desk.ask("t7");
  desk.ask("t8");
  EXPECT_EQ(desk.fetcher.count, 6);
}

TEST(Introspector, lets_no_token_make_an_endpoint_count_as_down_by_a_bad_answer) {
  Desk desk;
  for (int i = 0; i < 20; ++i) {
    desk.ask(cat("t", i));
    desk.fetcher.answer("boom", 500);
  }
  EXPECT_EQ(desk.fetcher.count, 20);
  for (int i = 0; i < 5; ++i) {
    desk.ask(cat("u", i));
    desk.fetcher.break_off(ErrorKind::limit);
  }
  EXPECT_EQ(desk.fetcher.count, 25);
}

TEST(Introspector, bounds_its_calls_and_those_who_wait_for_one) {
  Desk desk({.calls = 2, .waiting = 3});
  for (int i = 0; i < 4; ++i) desk.ask("t");
  ASSERT_EQ(desk.told.size(), 1U);
  EXPECT_FALSE(desk.told[0].is_good);
  desk.ask("u");
  desk.ask("v");
  EXPECT_EQ(desk.fetcher.count, 2);
  ASSERT_EQ(desk.told.size(), 2U);
  EXPECT_FALSE(desk.told[1].is_good);
  desk.fetcher.answer(R"({"active":true})");
  EXPECT_EQ(desk.told.size(), 5U);
  desk.ask("v");
  EXPECT_EQ(desk.fetcher.count, 3);
}

TEST(Introspector, keeps_endpoints_apart) {
  Desk desk;
  desk.ask("t", 60'000);
  desk.fetcher.answer(R"({"active":true})");
  auth::EndpointOptions other;
  other.url = "https://other.example/introspect";
  const auto second = std::make_shared<auth::IntrospectionEndpoint>(other);
  EXPECT_FALSE(desk.introspector.find(auth::IntrospectionNeed(second, "t", 60'000)));
  EXPECT_TRUE(desk.knows("t", 60'000));
}

}  // namespace
}  // namespace keepgate::issuer

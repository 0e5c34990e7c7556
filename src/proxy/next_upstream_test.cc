#include "proxy/next_upstream.h"

#include <gtest/gtest.h>

namespace keepgate::proxy {
namespace {

constexpr Failure all[] = {Failure::error,    Failure::timeout,  Failure::invalid_header, Failure::http_500,
                           Failure::http_502, Failure::http_503, Failure::http_504,       Failure::http_403,
                           Failure::http_404, Failure::http_429};

NextUpstream listing(Failure failure) {
  NextUpstream rule;
  rule.failures = static_cast<std::uint16_t>(failure);
  return rule;
}

Attempted harmless() {
  return {.attempts = 1, .since_ms = 0, .sent = true, .replayable = true, .method = http::Method::get};
}

TEST(NextUpstream, by_default_goes_on_after_errors_and_timeouts_only) {
  const NextUpstream rule;
  for (const Failure failure : all) {
    EXPECT_EQ(may_go_on(failure, rule, harmless()), failure == Failure::error || failure == Failure::timeout);
  }
}

TEST(NextUpstream, goes_on_after_what_is_listed_and_after_nothing_else) {
  for (const Failure listed : all) {
    for (const Failure failure : all) {
      EXPECT_EQ(may_go_on(failure, listing(listed), harmless()), failure == listed);
    }
  }
  EXPECT_FALSE(may_go_on(Failure::none, listing(Failure::none), harmless()));
}

TEST(NextUpstream, does_not_repeat_what_may_have_been_acted_on) {
  NextUpstream rule;
  for (const http::Method method : {http::Method::post, http::Method::patch, http::Method::other}) {
    Attempted attempted = harmless();
    attempted.method = method;
    EXPECT_FALSE(may_go_on(Failure::error, rule, attempted));
    attempted.sent = false;
    EXPECT_TRUE(may_go_on(Failure::error, rule, attempted));
    attempted.sent = true;
    rule.non_idempotent = true;
    EXPECT_TRUE(may_go_on(Failure::error, rule, attempted));
    rule.non_idempotent = false;
  }
}

TEST(NextUpstream, does_not_go_on_without_the_body) {
  Attempted attempted = harmless();
  attempted.replayable = false;
  EXPECT_FALSE(may_go_on(Failure::error, NextUpstream{}, attempted));
}

TEST(NextUpstream, ends_at_its_tries_and_its_time) {
  NextUpstream rule;
  rule.tries_max = 3;
  rule.timeout_ms = 1000;
  Attempted attempted = harmless();
  attempted.attempts = 2;
  attempted.since_ms = 999;
  EXPECT_TRUE(may_go_on(Failure::timeout, rule, attempted));
  attempted.attempts = 3;
  EXPECT_FALSE(may_go_on(Failure::timeout, rule, attempted));
  attempted.attempts = 2;
  attempted.since_ms = 1000;
  EXPECT_FALSE(may_go_on(Failure::timeout, rule, attempted));
}

TEST(NextUpstream, counts_failures_as_nginx_does) {
  const NextUpstream rule;
  for (const Failure failure : {Failure::error, Failure::timeout, Failure::invalid_header}) {
    EXPECT_TRUE(counts_as_failed(failure, listing(Failure::http_500)));
  }
  for (const Failure failure : {Failure::http_500, Failure::http_502, Failure::http_429}) {
    EXPECT_FALSE(counts_as_failed(failure, rule));
    EXPECT_TRUE(counts_as_failed(failure, listing(failure)));
  }
  for (const Failure failure : {Failure::http_403, Failure::http_404}) {
    EXPECT_FALSE(counts_as_failed(failure, listing(failure)));
  }
  EXPECT_FALSE(counts_as_failed(Failure::none, rule));
}

TEST(NextUpstream, knows_its_words_and_statuses) {
  EXPECT_EQ(failure_named("http_503"), Failure::http_503);
  EXPECT_EQ(failure_named("error"), Failure::error);
  EXPECT_FALSE(failure_named("http_501"));
  EXPECT_FALSE(failure_named("off"));
  EXPECT_EQ(failure_of_status(429), Failure::http_429);
  EXPECT_EQ(failure_of_status(200), Failure::none);
  EXPECT_EQ(failure_of_status(0), Failure::none);
}

}  // namespace
}  // namespace keepgate::proxy

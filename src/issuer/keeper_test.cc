#include "issuer/keeper.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/bytes.h"

namespace keepgate::issuer {
namespace {

constexpr std::int64_t minute_ms = 60'000;
const std::string issuer_name = "https://idp.example/tenant";
const std::string metadata = R"({"issuer":"https://idp.example/tenant","jwks_uri":"https://keys.example/jwks"})";

std::string key(std::string_view id) {
  return cat(R"({"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":")", id,
             R"(","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
}
std::string key_set(std::initializer_list<std::string_view> ids) {
  std::string out = R"({"keys":[)";
  for (const std::string_view id : ids) append(out, out.back() == '[' ? "" : ",", key(id));
  return out + "]}";
}

// Keeps what is asked for until the test answers.
class FakeFetcher final : public fetch::Fetcher {
 public:
  struct Asked {
    fetch::Request request;
    Callback callback;
  };
  void fetch(fetch::Request request, Callback callback) override {
    ++count;
    asked.push_back({std::move(request), std::move(callback)});
  }
  std::string url() const { return asked.empty() ? "" : asked.front().request.url; }
  void answer(unsigned status, std::string body, std::string cache_control = "") {
    fetch::Response response;
    response.status = status;
    response.body = std::move(body);
    if (!cache_control.empty()) response.headers.push_back({"cache-control", std::move(cache_control)});
    end(std::move(response));
  }
  void break_off() { end(keepgate::fail(ErrorKind::timeout, Blame::upstream, "fetch_failed", "no answer in time")); }
  int count = 0;
  std::deque<Asked> asked;

 private:
  void end(Result<fetch::Response> result) {
    ASSERT_FALSE(asked.empty());
    const Callback callback = std::move(asked.front().callback);
    asked.pop_front();
    callback(std::move(result));
  }
};

struct Bench {
  explicit Bench(std::string keys_url = "https://keys.example/jwks") {
    auth::IssuerOptions options;
    options.issuer = issuer_name;
    options.keys_url = std::move(keys_url);
    options.refresh_ms = 10 * minute_ms;
    options.keep_ms = 60 * minute_ms;
    issuer = std::make_shared<auth::Issuer>(options);
    keeper.use({issuer}, now);
    keeper.advance(now);
  }
  // Time passes; what becomes due on the way is begun.
  void pass(std::int64_t ms) {
    const std::int64_t end_ms = now.monotonic_ms + ms;
    for (int i = 0; i < 100'000; ++i) {
      const std::int64_t next_ms = keeper.advance(now);
      if (next_ms > end_ms) break;
      now.monotonic_ms = next_ms;
    }
    now.monotonic_ms = end_ms;
    keeper.advance(now);
  }
  void ask(int times = 1) {
    for (int i = 0; i < times; ++i) {
      keeper.ask(*issuer, now, [this](bool is_known, const std::string&) { ++(is_known ? known : unknown); });
    }
  }
  bool has(std::string_view id) const {
    const auto keys = issuer->keys(now);
    if (!keys) return false;
    for (const auto& one : keys->set->keys) {
      if (one->id() == id) return true;
    }
    return false;
  }

  Now now{1'000'000, 0};
  FakeFetcher fetcher;
  double chance = 0;
  Keeper keeper{fetcher, [this](const std::function<void(Now)>& action) { action(now); }, [this] { return chance; }};
  std::shared_ptr<auth::Issuer> issuer;
  int known = 0, unknown = 0;
};

TEST(IssuerKeeper, asks_the_issuer_where_its_keys_are_and_fetches_them) {
  Bench bench("");
  EXPECT_EQ(bench.fetcher.url(), "https://idp.example/tenant/.well-known/openid-configuration");
  bench.fetcher.answer(404, "");
  EXPECT_EQ(bench.fetcher.url(), "https://idp.example/.well-known/oauth-authorization-server/tenant");
  bench.fetcher.answer(200, metadata);
  EXPECT_EQ(bench.fetcher.url(), "https://keys.example/jwks");
  EXPECT_EQ(bench.issuer->generation(bench.now), 0U);
  bench.fetcher.answer(200, key_set({"a"}));
  EXPECT_TRUE(bench.has("a"));
  EXPECT_TRUE(bench.fetcher.asked.empty());
}

TEST(IssuerKeeper, believes_no_metadata_of_another_issuer) {
  for (const char* body :
       {R"({"issuer":"https://idp.example/tenant/","jwks_uri":"https://keys.example/jwks"})",
        R"({"issuer":"https://evil.example","jwks_uri":"https://keys.example/jwks"})",
        R"({"issuer":["https://idp.example/tenant"],"jwks_uri":"https://keys.example/jwks"})",
        R"({"jwks_uri":"https://keys.example/jwks"})", R"({"issuer":"https://idp.example/tenant"})",
        R"({"issuer":"https://idp.example/tenant","jwks_uri":"http://keys.example/jwks"})",
        R"({"issuer":"https://idp.example/tenant","jwks_uri":"file:///etc/keys"})", "[]", "", "<html>"}) {
    Bench bench("");
    bench.fetcher.answer(200, body);
    EXPECT_TRUE(bench.fetcher.asked.empty()) << body;
    EXPECT_EQ(bench.issuer->generation(bench.now), 0U) << body;
    EXPECT_EQ(bench.issuer->news(bench.now), auth::Issuer::News::unknown) << body;
  }
}

TEST(IssuerKeeper, takes_no_keys_from_what_is_no_key_set) {
  Bench bench;
  for (const auto& [status, body] : std::vector<std::pair<unsigned, std::string>>{
           {404, key_set({"a"})},
           {302, key_set({"a"})},
           {500, ""},
           {200, "<html>"},
           {200, "{}"},
           {200, R"({"keys":[]})"},
           {200, R"({"keys":[{"kty":"odd"}]})"},
           {200, R"({"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]})"}}) {
    bench.fetcher.answer(status, body);
    EXPECT_EQ(bench.issuer->generation(bench.now), 0U) << body;
    bench.pass(minute_ms);
    ASSERT_EQ(bench.fetcher.asked.size(), 1U);
  }
  bench.fetcher.answer(200, key_set({"a"}));
  EXPECT_TRUE(bench.has("a"));
}

TEST(IssuerKeeper, refreshes_as_the_issuer_says_within_bounds) {
  const std::vector<std::pair<std::string, std::int64_t>> cases = {{"max-age=120", 2 * minute_ms},
                                                                   {"public, MAX-AGE=1", minute_ms / 2},
                                                                   {"no-store", minute_ms / 2},
                                                                   {"", 10 * minute_ms},
                                                                   {"max-age=86400", 10 * minute_ms},
                                                                   {"max-age=x", minute_ms / 2},
                                                                   {"max-age=99999999999999999999999", 10 * minute_ms},
                                                                   {"max-age=600, max-age=60", minute_ms}};
  for (const auto& [cache_control, lifetime_ms] : cases) {
    Bench bench;
    bench.fetcher.answer(200, key_set({"a"}), cache_control);
    bench.pass(lifetime_ms - 1);
    EXPECT_EQ(bench.fetcher.count, 1) << cache_control;
    bench.pass(1);
    EXPECT_EQ(bench.fetcher.count, 2) << cache_control;
  }
}

TEST(IssuerKeeper, chance_makes_a_lifetime_shorter_and_never_longer) {
  Bench bench;
  bench.chance = 1;
  bench.fetcher.answer(200, key_set({"a"}), "max-age=100");
  bench.pass(90'000 - 1);
  EXPECT_EQ(bench.fetcher.count, 1);
  bench.pass(1);
  EXPECT_EQ(bench.fetcher.count, 2);
}

TEST(IssuerKeeper, a_withdrawn_key_is_gone_with_the_next_refresh_and_cached_tokens_with_it) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"old", "new"}));
  const std::uint64_t before = bench.issuer->generation(bench.now);
  bench.pass(10 * minute_ms);
  bench.fetcher.answer(200, key_set({"new"}));
  EXPECT_FALSE(bench.has("old"));
  EXPECT_TRUE(bench.has("new"));
  EXPECT_NE(bench.issuer->generation(bench.now), before);
}

TEST(IssuerKeeper, the_same_document_is_the_same_generation) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"a"}));
  const std::uint64_t before = bench.issuer->generation(bench.now);
  bench.pass(10 * minute_ms);
  bench.fetcher.answer(200, key_set({"a"}));
  EXPECT_EQ(bench.issuer->generation(bench.now), before);
}

TEST(IssuerKeeper, keeps_the_last_keys_through_an_outage_and_no_longer_than_stated) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"a"}));
  std::int64_t passed_ms = 0;
  while (passed_ms + minute_ms < 60 * minute_ms) {
    bench.pass(minute_ms);
    passed_ms += minute_ms;
    EXPECT_TRUE(bench.has("a"));
    if (!bench.fetcher.asked.empty()) bench.fetcher.break_off();
  }
  bench.pass(minute_ms - 1);
  EXPECT_TRUE(bench.has("a"));
  bench.pass(1);
  EXPECT_FALSE(bench.has("a"));
  EXPECT_EQ(bench.issuer->generation(bench.now), 0U);
  // And back.
  if (bench.fetcher.asked.empty()) bench.pass(minute_ms);
  bench.fetcher.answer(200, key_set({"a"}));
  EXPECT_TRUE(bench.has("a"));
}

TEST(IssuerKeeper, asks_ever_more_slowly_after_failures) {
  Bench bench;
  for (int i = 0; i < 20; ++i) {
    bench.fetcher.break_off();
    bench.pass(minute_ms);
    ASSERT_EQ(bench.fetcher.asked.size(), 1U);  // One at a time, however long it takes.
  }
  bench.fetcher.break_off();
  const int count = bench.fetcher.count;
  bench.pass(minute_ms / 2 - 1);
  EXPECT_EQ(bench.fetcher.count, count);
}

TEST(IssuerKeeper, a_thousand_unknown_keys_are_one_fetch) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"a"}));
  bench.ask(1'000);
  EXPECT_EQ(bench.fetcher.count, 2);
  EXPECT_EQ(bench.known, 0);
  bench.fetcher.answer(200, key_set({"a", "b"}));
  EXPECT_EQ(bench.known, 1'000);
  EXPECT_TRUE(bench.has("b"));
}

TEST(IssuerKeeper, a_flood_of_random_keys_is_one_fetch_a_cooldown) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"a"}));
  for (int i = 0; i < 60'000 / 10; ++i) {
    if (bench.issuer->news(bench.now) == auth::Issuer::News::possible) bench.ask();
    if (!bench.fetcher.asked.empty()) bench.fetcher.answer(200, key_set({"a"}));
    bench.pass(10);
  }
  EXPECT_LE(bench.fetcher.count, 1 + 12);
  EXPECT_GE(bench.fetcher.count, 1 + 11);
}

TEST(IssuerKeeper, nobody_waits_for_an_issuer_that_fails) {
  Bench bench;
  bench.ask(3);
  bench.fetcher.break_off();
  EXPECT_EQ(bench.unknown, 3);
  bench.ask(1'000);
  EXPECT_EQ(bench.unknown, 1'003);
  EXPECT_EQ(bench.fetcher.count, 1);
  bench.pass(1'000);  // It is asked again: whoever has no keys does not wait for that either.
  EXPECT_EQ(bench.fetcher.count, 2);
  EXPECT_EQ(bench.issuer->news(bench.now), auth::Issuer::News::unknown);
}

TEST(IssuerKeeper, bounds_who_waits) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"a"}));
  bench.ask(10'000);
  EXPECT_EQ(bench.unknown, 10'000 - 4'096);
  EXPECT_EQ(bench.fetcher.count, 2);
}

TEST(IssuerKeeper, an_issuer_that_leaves_the_configuration_is_left_alone) {
  Bench bench;
  bench.ask();
  bench.keeper.use({}, bench.now);
  EXPECT_EQ(bench.unknown, 1);
  bench.fetcher.answer(200, key_set({"a"}));
  EXPECT_EQ(bench.issuer->generation(bench.now), 0U);
  bench.pass(60 * minute_ms);
  EXPECT_EQ(bench.fetcher.count, 1);
}

TEST(IssuerKeeper, an_issuer_that_stays_is_not_asked_again) {
  Bench bench;
  bench.fetcher.answer(200, key_set({"a"}));
  bench.keeper.use({bench.issuer}, bench.now);
  bench.keeper.advance(bench.now);
  EXPECT_EQ(bench.fetcher.count, 1);
  EXPECT_TRUE(bench.has("a"));
}

TEST(IssuerKeeper, bounds_what_it_fetches) {
  Bench bench;
  const fetch::Request& request = bench.fetcher.asked.front().request;
  EXPECT_EQ(request.reach, fetch::Reach::global);
  EXPECT_EQ(request.plain, fetch::Plain::refused);
  EXPECT_EQ(request.redirects_max, 0U);
  EXPECT_EQ(request.body_bytes_max, 1U << 20);
  EXPECT_EQ(request.timeout_ms, 10'000);
}

TEST(IssuerKeeper, asks_for_the_address_of_the_keys_again_when_they_are_gone) {
  Bench bench("");
  bench.fetcher.answer(200, metadata);
  bench.fetcher.answer(200, key_set({"a"}));
  bench.pass(10 * minute_ms);
  EXPECT_EQ(bench.fetcher.url(), "https://keys.example/jwks");
  bench.fetcher.answer(404, "");
  bench.pass(minute_ms);
  EXPECT_EQ(bench.fetcher.url(), "https://idp.example/tenant/.well-known/openid-configuration");
}

}  // namespace
}  // namespace keepgate::issuer

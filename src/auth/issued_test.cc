#include "auth/issued.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/test_keys.h"

namespace keepgate::auth {
namespace {

using crypto::Algorithm;

constexpr std::int64_t noon_s = 1'900'000'000;
constexpr std::int64_t start_ms = 5'000;
const std::string issuer_name = "https://idp.example/a";

struct Bench {
  Bench() {
    IssuerOptions issuer_options;
    issuer_options.issuer = issuer_name;
    issuer = std::make_shared<Issuer>(issuer_options);
    issuer->publish(crypto::test::verifying_set(Algorithm::es256), start_ms + 1'000);
    issuer->set_state({.was_asked = true, .ask_after_ms = start_ms + 500});
    options.enabled = true;
    options.verifier_id = 7;
    options.issuers.push_back({issuer, {"orders"}, {}, false});
  }
  AuthResult run(const std::string& token) {
    return authenticate_issued(token, options, now, &cache, nullptr, &answers);
  }
  AuthVerdict verdict(std::string_view payload, std::string_view more_header = "") {
    return run(token_of(payload, more_header)).verdict;
  }
  static std::string token_of(std::string_view payload, std::string_view more_header = "",
                              Algorithm algorithm = Algorithm::es256, const std::string& id = "k1") {
    return crypto::test::signed_token(*crypto::test::signing_key(algorithm, id), payload,
                                      more_header.empty() ? "" : cat(',', more_header));
  }

  std::shared_ptr<Issuer> issuer;
  JwtOptions options;
  Now now{start_ms, noon_s * 1000};
  TokenCache cache{8};
  Answers answers;
};

std::string payload(std::string_view more = "", std::string_view audience = R"("orders")",
                    std::string_view issuer = issuer_name) {
  return cat(R"({"iss":")", issuer, R"(","aud":)", audience, R"(,"sub":"alice","exp":)", noon_s + 60, more, '}');
}

TEST(IssuedToken, is_good_with_the_keys_of_its_issuer) {
  Bench bench;
  const AuthResult result = bench.run(Bench::token_of(payload()));
  EXPECT_EQ(result.verdict, AuthVerdict::good) << result.reason;
  EXPECT_EQ(bench.run("").verdict, AuthVerdict::not_mine);
}

TEST(IssuedToken, is_refused_when_one_fact_is_another) {
  Bench bench;
  const std::string rows[] = {
      payload("", R"("orders")", "https://idp.example/a/"),
      payload("", R"("orders")", "https://idp.example"),
      payload("", R"("orders")", "https://IDP.example/a"),
      cat(R"({"iss":["https://idp.example/a"],"aud":"orders","sub":"alice","exp":)", noon_s + 60, '}'),
      cat(R"({"aud":"orders","sub":"alice","exp":)", noon_s + 60, '}'),
      payload("", R"("orders2")"),
      payload("", R"("order")"),
      payload("", R"("orders,web")"),
      payload("", "[]"),
      payload("", R"(["web"])"),
      payload("", R"(["orders",1])"),
      payload("", R"([["orders"]])"),
      payload("", "1"),
      payload("", R"({"orders":1})"),
      cat(R"({"iss":")", issuer_name, R"(","sub":"alice","exp":)", noon_s + 60, '}'),
      cat(R"({"iss":")", issuer_name, R"(","aud":"orders","sub":"alice"})"),
      cat(R"({"iss":")", issuer_name, R"(","aud":"orders","sub":"alice","exp":)", noon_s, '}'),
      "[]",
      "x",
  };
  for (const std::string& row : rows) EXPECT_EQ(bench.verdict(row), AuthVerdict::bad) << row;
  for (const std::string& row : {payload("", R"(["web","orders"])"), payload("", R"(["orders"])")}) {
    EXPECT_EQ(bench.verdict(row), AuthVerdict::good) << row;
  }
}

TEST(IssuedToken, of_any_audience_is_good_where_none_is_named) {
  Bench bench;
  bench.options.issuers[0].audiences.clear();
  EXPECT_EQ(bench.verdict(payload("", R"("web")")), AuthVerdict::good);
  EXPECT_EQ(bench.verdict(payload("", "[]")), AuthVerdict::good);
}

TEST(IssuedToken, of_another_kind_is_no_access_token) {
  Bench bench;
  for (const char* header :
       {R"("typ":"at+jwt")", R"("typ":"application/AT+JWT")", R"("typ":"JWT")", R"("typ":"jwt")"}) {
    EXPECT_EQ(bench.verdict(payload(), header), AuthVerdict::good) << header;
  }
  for (const char* header : {R"("typ":"logout+jwt")", R"("typ":"secevent+jwt")", R"("typ":"dpop+jwt")", R"("typ":"")",
                             R"("typ":"JOSE")", R"("typ":"id+jwt")", R"("typ":"txntoken+jwt")"}) {
    EXPECT_EQ(bench.verdict(payload(), header), AuthVerdict::bad) << header;
  }
  for (const char* claim :
       {R"(,"at_hash":"x")", R"(,"c_hash":"x")", R"(,"s_hash":"x")", R"(,"nonce":"x")", R"(,"events":{})",
        R"(,"token_use":"id")", R"(,"token_use":1)", R"(,"typ":"ID")", R"(,"typ":"Refresh")", R"(,"typ":["Bearer"])"}) {
    EXPECT_EQ(bench.verdict(payload(claim)), AuthVerdict::bad) << claim;
  }
  for (const char* claim : {R"(,"nonce":"x","scope":"a")", R"(,"token_use":"access")", R"(,"typ":"Bearer")"}) {
    EXPECT_EQ(bench.verdict(payload(claim)), AuthVerdict::good) << claim;
  }
}

TEST(IssuedToken, has_to_say_that_it_is_an_access_token_where_that_is_demanded) {
  Bench bench;
  bench.options.issuers[0].only_access_tokens = true;
  EXPECT_EQ(bench.verdict(payload(), R"("typ":"at+jwt")"), AuthVerdict::good);
  EXPECT_EQ(bench.verdict(payload(), R"("typ":"JWT")"), AuthVerdict::bad);
  EXPECT_EQ(bench.verdict(payload()), AuthVerdict::bad);
}

TEST(IssuedToken, is_good_in_accepted_algorithms_only) {
  Bench bench;
  bench.options.issuers[0].algorithms = {Algorithm::rs256, Algorithm::es256};
  EXPECT_EQ(bench.verdict(payload()), AuthVerdict::good);
  Bench other;
  other.options.issuers[0].algorithms = {Algorithm::rs256};
  EXPECT_EQ(other.verdict(payload()), AuthVerdict::bad);
  // A secret that is published is none, whatever is configured.
  Bench secret;
  secret.issuer->publish(crypto::test::verifying_set(Algorithm::hs256), start_ms + 1'000);
  secret.options.issuers[0].algorithms = {Algorithm::hs256};
  EXPECT_EQ(secret.run(Bench::token_of(payload(), "", Algorithm::hs256)).verdict, AuthVerdict::bad);
}

TEST(IssuedToken, is_verified_by_its_own_issuer_only) {
  Bench bench;
  IssuerOptions other_options;
  other_options.issuer = "https://idp.example/b";
  auto other = std::make_shared<Issuer>(other_options);
  other->publish(crypto::test::verifying_set(Algorithm::es256, "k2"), start_ms + 1'000);
  other->set_state({.was_asked = true, .ask_after_ms = start_ms + 500});
  bench.options.issuers.push_back({other, {"orders"}, {}, false});
  const auto from = [](std::string_view issuer, const std::string& key) {
    return Bench::token_of(payload("", R"("orders")", issuer), "", Algorithm::es256, key);
  };
  EXPECT_EQ(bench.run(from("https://idp.example/a", "k1")).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(from("https://idp.example/b", "k2")).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(from("https://idp.example/a", "k2")).verdict, AuthVerdict::bad);
  EXPECT_EQ(bench.run(from("https://idp.example/b", "k1")).verdict, AuthVerdict::bad);
}

TEST(IssuedToken, of_no_issuer_is_left_to_the_key_files) {
  Bench bench;
  const std::string token =
      Bench::token_of(payload("", R"("orders")", "https://elsewhere"), "", Algorithm::es256, "k3");
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::bad);
  bench.options.keys = crypto::test::verifying_set(Algorithm::es256, "k3");
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  // The key files verify nothing that says it is the issuer's.
  EXPECT_NE(bench.run(Bench::token_of(payload(), "", Algorithm::es256, "k3")).verdict, AuthVerdict::good);
}

TEST(IssuedToken, with_an_unknown_key_needs_newer_keys_once) {
  Bench bench;
  const std::string token = Bench::token_of(payload(), "", Algorithm::es256, "k2");
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::bad) << "it was asked just now";
  bench.now.monotonic_ms += 500;
  const AuthResult result = bench.run(token);
  ASSERT_EQ(result.verdict, AuthVerdict::need);
  EXPECT_EQ(result.need->kind, NeedKind::issuer_keys);
  EXPECT_EQ(result.need->key, issuer_name);
  // The answer that there is nothing new, that nobody knows, and that there are new keys.
  Answer answer;
  answer.kind = NeedKind::issuer_keys;
  answer.key = issuer_name;
  answer.is_good = false;
  bench.answers.add(answer);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::unavailable);
  bench.answers.clear();
  answer.is_good = true;
  bench.answers.add(answer);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::bad);
  bench.issuer->publish(crypto::test::verifying_set(Algorithm::es256, "k2"), start_ms + 1'000);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
}

TEST(IssuedToken, with_a_bad_signature_needs_nothing) {
  Bench bench;
  bench.now.monotonic_ms += 500;
  std::string token = Bench::token_of(payload());
  char& last = token[token.size() - 20];
  last = last == 'A' ? 'B' : 'A';
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::bad);
}

TEST(IssuedToken, dies_with_its_key_cached_or_not) {
  Bench bench;
  const std::string token = Bench::token_of(payload());
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  bench.issuer->publish(crypto::test::verifying_set(Algorithm::es256, "k2"), start_ms + 1'000);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::bad);
}

TEST(IssuedToken, is_not_judged_without_keys_that_may_be_used) {
  Bench bench;
  const std::string token = Bench::token_of(payload());
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  bench.issuer->set_state({.was_asked = true, .failed = true, .ask_after_ms = INT64_MAX});
  bench.now.monotonic_ms = start_ms + 999;
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  bench.now.monotonic_ms = start_ms + 1'000;
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::unavailable) << "a cached token is no better";
  // Before the first answer, requests wait for it.
  Bench fresh;
  fresh.issuer = std::make_shared<Issuer>(fresh.issuer->options());
  fresh.options.issuers[0].issuer = fresh.issuer;
  EXPECT_EQ(fresh.run(token).verdict, AuthVerdict::need);
}

TEST(IssuedToken, waits_for_its_share_of_the_turn) {
  Bench bench;
  TurnShare share(0);
  const auto result =
      authenticate_issued(Bench::token_of(payload()), bench.options, bench.now, &bench.cache, &share, nullptr);
  ASSERT_EQ(result.verdict, AuthVerdict::need);
  EXPECT_EQ(result.need->kind, NeedKind::turn);
}

}  // namespace
}  // namespace keepgate::auth

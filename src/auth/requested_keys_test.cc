#include "auth/requested_keys.h"

#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "base/bytes.h"
#include "crypto/test_keys.h"

namespace keepgate::auth {
namespace {

using crypto::Algorithm;

constexpr std::int64_t noon_s = 1'900'000'000;

std::string document(Algorithm algorithm, const std::string& id = "k1") {
  return cat(R"({"keys":[)", crypto::test::public_half(algorithm, id), "]}");
}

std::string token_by(Algorithm algorithm, const std::string& id = "k1") {
  return crypto::test::signed_token(*crypto::test::signing_key(algorithm, id),
                                    cat(R"({"client_id":"web","exp":)", noon_s + 60, '}'));
}

struct Bench {
  explicit Bench(std::int64_t cache_ms = 0, std::shared_ptr<const crypto::KeySet> files = nullptr) {
    options.enabled = true;
    options.verifier_id = 7;
    options.keys = files;
    options.requested =
        std::make_shared<RequestedKeys>(RequestedKeys::Options{{"/keys"}, std::move(files), TokenForm::jws, cache_ms});
  }
  AuthResult run(const std::string& token) {
    return authenticate_requested(token, options, now, &cache, nullptr, &answers);
  }
  // The answer to the need of this request.
  void bring(const std::string& text) {
    answers.clear();
    auto taken = options.requested->take({text}, now.monotonic_ms);
    if (!taken) {
      return answers.add({NeedKind::requested_keys, options.requested->name(), false, taken.error().detail, nullptr});
    }
    auto value = std::make_shared<RequestedKeysAnswer>();
    value->keys = *taken;
    answers.add({NeedKind::requested_keys, options.requested->name(), true, "", std::move(value)});
  }

  JwtOptions options;
  Now now{5'000, noon_s * 1000};
  TokenCache cache{8};
  Answers answers;
};

TEST(RequestedKeys, are_a_need_of_a_token_and_of_nothing_else) {
  Bench bench;
  EXPECT_EQ(bench.run("").verdict, AuthVerdict::not_mine);
  EXPECT_EQ(bench.run("x.y.z").verdict, AuthVerdict::bad);
  EXPECT_EQ(bench.run("x").verdict, AuthVerdict::bad);
  const AuthResult result = bench.run(token_by(Algorithm::es256));
  ASSERT_EQ(result.verdict, AuthVerdict::need);
  EXPECT_EQ(result.need->kind, NeedKind::requested_keys);
  EXPECT_EQ(result.need->key, bench.options.requested->name());
}

TEST(RequestedKeys, verify_what_they_fit_and_nothing_else) {
  Bench bench;
  bench.bring(document(Algorithm::es256));
  EXPECT_EQ(bench.run(token_by(Algorithm::es256)).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(token_by(Algorithm::es256, "k2")).verdict, AuthVerdict::bad);
  EXPECT_EQ(bench.run(token_by(Algorithm::es384)).verdict, AuthVerdict::bad);
}

TEST(RequestedKeys, that_cannot_be_had_or_used_are_an_error_of_ours) {
  for (const std::string& text :
       {std::string(), std::string("<html>"), std::string("[]"), std::string(R"({"keys":[]})"),
        cat(R"({"keys":[)", crypto::test::public_half(Algorithm::es256), R"(,{"kty":"EC"}]})")}) {
    Bench bench;
    bench.bring(text);
    const AuthResult result = bench.run(token_by(Algorithm::es256));
    EXPECT_EQ(result.verdict, AuthVerdict::unavailable) << text;
    EXPECT_EQ(result.unavailable_status, 500) << text;
  }
  Bench bench;
  bench.answers.add(
      {NeedKind::requested_keys, bench.options.requested->name(), true, "", std::make_shared<AnswerValue>()});
  EXPECT_EQ(bench.run(token_by(Algorithm::es256)).verdict, AuthVerdict::unavailable);
}

TEST(RequestedKeys, that_leave_take_their_tokens_along) {
  Bench bench;
  const std::string token = token_by(Algorithm::es256);
  bench.bring(document(Algorithm::es256));
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  bench.bring(document(Algorithm::es256, "k2"));
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::bad);
  EXPECT_EQ(bench.run(token_by(Algorithm::es256, "k2")).verdict, AuthVerdict::good);
  bench.bring("");
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::unavailable);
}

TEST(RequestedKeys, of_the_same_documents_are_the_same_set) {
  Bench bench;
  const auto& requested = bench.options.requested;
  const auto first = requested->take({document(Algorithm::es256)}, 1);
  const auto again = requested->take({document(Algorithm::es256)}, 2);
  const auto other = requested->take({document(Algorithm::es384)}, 3);
  ASSERT_TRUE(first && again && other);
  EXPECT_EQ((*first)->generation, (*again)->generation);
  EXPECT_NE((*first)->generation, (*other)->generation);
  EXPECT_NE((*first)->generation, 0U);
  RequestedKeys elsewhere({{"/keys"}, nullptr, TokenForm::jws, 0});
  EXPECT_NE((*elsewhere.take({document(Algorithm::es256)}, 1))->generation, (*first)->generation);
  EXPECT_NE(elsewhere.name(), requested->name());
}

TEST(RequestedKeys, that_were_asked_for_earlier_count_no_more) {
  Bench bench(1'000);
  const auto& requested = bench.options.requested;
  ASSERT_TRUE(requested->take({document(Algorithm::es256, "new")}, 5'000));
  const auto late = requested->take({document(Algorithm::es256, "old")}, 4'999);
  ASSERT_TRUE(late);
  EXPECT_EQ((*late)->set->keys.front()->id(), "new");
  EXPECT_EQ(requested->kept(bench.now)->set->keys.front()->id(), "new");
}

TEST(RequestedKeys, are_kept_for_as_long_as_the_cache_says) {
  Bench bench(1'000);
  const std::string token = token_by(Algorithm::es256);
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::need);
  bench.bring(document(Algorithm::es256));
  bench.answers.clear();
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  bench.now.monotonic_ms += 999;
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::good);
  bench.now.monotonic_ms += 1;
  EXPECT_EQ(bench.run(token).verdict, AuthVerdict::need);
  Bench without;
  without.bring(document(Algorithm::es256));
  without.answers.clear();
  EXPECT_EQ(without.run(token).verdict, AuthVerdict::need);
}

TEST(RequestedKeys, hold_those_of_the_files_too) {
  Bench bench(1'000, crypto::test::verifying_set(Algorithm::es384));
  bench.bring(document(Algorithm::es256));
  EXPECT_EQ(bench.run(token_by(Algorithm::es256)).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(token_by(Algorithm::es384)).verdict, AuthVerdict::good);
  EXPECT_EQ(bench.run(token_by(Algorithm::es512)).verdict, AuthVerdict::bad);
}

TEST(RequestedKeys, have_to_suit_the_form_of_tokens) {
  RequestedKeys encrypted({{"/keys"}, nullptr, TokenForm::jwe, 0});
  EXPECT_FALSE(encrypted.take({document(Algorithm::es256)}, 1));
  RequestedKeys signed_ones({{"/keys"}, nullptr, TokenForm::jws, 0});
  EXPECT_TRUE(signed_ones.take({document(Algorithm::es256)}, 1));
}

}  // namespace
}  // namespace keepgate::auth

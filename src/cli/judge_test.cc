#include "cli/judge.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/jwk.h"
#include "pipeline/content.h"

namespace keepgate::cli {
namespace {

class NoContent final : public pipeline::Content {
 public:
  net::Task<std::optional<pipeline::Refusal>> serve(pipeline::Exchange&, pipeline::Permit) const override {
    co_return std::nullopt;
  }
  std::string_view upstream_name() const override { return "orders"; }
};

constexpr std::string_view policy_text =
    "policies:\n"
    "  - { id: readers, allow: client:reader, on: { methods: [GET], paths: [/orders/] } }\n"
    "  - { id: lobby, allow: anonymous, on: { methods: [GET], paths: [/lobby] } }\n";

class Judging : public testing::Test {
 protected:
  void SetUp() override {
    Diagnostics diagnostics;
    const policy::Source source{"policy.yaml", std::string(policy_text)};
    place.policy = policy::Policy::load({&source, 1}, diagnostics);
    ASSERT_NE(place.policy, nullptr) << diagnostics.render_text();
    location.policy = place.policy;
    location.content = std::make_shared<NoContent>();
    location.auth.jwt.enabled = true;
    location.auth.jwt.keys = std::make_shared<crypto::KeySet>();
    place.location = &location;
    place.method = "GET";
    place.path = place.service_path = "/orders/7";
    place.service = "orders";
  }

  Judgement ask(std::string_view identity) {
    auth::Principal asker;
    std::string error;
    EXPECT_TRUE(policy::Policy::parse_identity(identity, asker, error)) << error;
    return judge(place, asker);
  }

  pipeline::LocationConfig location;
  Place place;
};

TEST_F(Judging, allows_what_the_policy_allows_and_names_the_rule) {
  const Judgement answer = ask("client:reader");
  EXPECT_TRUE(answer.allowed) << answer.why;
  EXPECT_EQ(answer.rule, "readers");
  EXPECT_TRUE(answer.rule_place.starts_with("policy.yaml:")) << answer.rule_place;
  EXPECT_EQ(answer.conditions, std::vector<std::string>{"the token is valid"});
}

TEST_F(Judging, denies_another_identity_and_names_the_nearest_rule) {
  const Judgement answer = ask("client:other");
  EXPECT_FALSE(answer.allowed);
  EXPECT_EQ(answer.status, 403);
  ASSERT_TRUE(answer.explanation);
  EXPECT_NE(answer.explanation->nearest.find("readers"), std::string::npos) << answer.explanation->nearest;
  EXPECT_TRUE(answer.conditions.empty());
}

TEST_F(Judging, denies_the_anonymous_caller_where_a_credential_is_demanded) {
  const Judgement answer = ask("anonymous");
  EXPECT_FALSE(answer.allowed);
  EXPECT_EQ(answer.status, 401);
}

TEST_F(Judging, an_identity_that_cannot_be_proven_here_is_anonymous) {
  location.auth.jwt.enabled = false;
  EXPECT_EQ(ask("client:reader").status, 401);
  place.service_path = "/lobby";
  EXPECT_TRUE(ask("client:reader").allowed);
}

TEST_F(Judging, a_location_that_is_open_is_open_whatever_the_policy_says) {
  location.auth.jwt.enabled = false;
  location.authorize = pipeline::Authorize::off;
  const Judgement answer = ask("anonymous");
  EXPECT_TRUE(answer.allowed);
  EXPECT_NE(answer.why.find("open to anybody"), std::string::npos) << answer.why;
  EXPECT_TRUE(answer.rule.empty());
}

TEST_F(Judging, without_authorization_a_credential_is_still_demanded) {
  location.authorize = pipeline::Authorize::off;
  EXPECT_TRUE(ask("client:other").allowed);
  EXPECT_EQ(ask("anonymous").status, 401);
}

TEST_F(Judging, required_authorization_without_a_policy_denies) {
  place.policy = location.policy = nullptr;
  EXPECT_EQ(ask("client:reader").status, 403);
}

TEST_F(Judging, keys_that_cannot_be_used_are_503_for_everybody) {
  location.auth.jwt.keys = nullptr;
  EXPECT_EQ(ask("client:reader").status, 503);
  EXPECT_FALSE(ask("client:reader").allowed);
}

TEST_F(Judging, a_shadow_policy_is_asked_and_refuses_nobody) {
  location.authorize = pipeline::Authorize::shadow;
  const Judgement answer = ask("client:other");
  EXPECT_TRUE(answer.allowed);
  EXPECT_NE(answer.why.find("shadow"), std::string::npos) << answer.why;
}

TEST_F(Judging, what_answers_early_answers_before_credentials_and_policy) {
  place.early = {200, "`return 200`"};
  EXPECT_TRUE(ask("anonymous").allowed);
  place.early = {404, "`return 404`"};
  EXPECT_FALSE(ask("client:reader").allowed);
}

TEST_F(Judging, a_client_token_names_no_workload) { EXPECT_EQ(ask("service:billing").status, 401); }

TEST_F(Judging, an_allowed_request_to_a_place_without_content_is_404) {
  location.content = nullptr;
  const Judgement answer = ask("client:reader");
  EXPECT_FALSE(answer.allowed);
  EXPECT_EQ(answer.status, 404);
}

}  // namespace
}  // namespace keepgate::cli

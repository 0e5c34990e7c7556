#include "oauth/next_step.h"

#include <gtest/gtest.h>

namespace keepgate::oauth {
namespace {

constexpr std::int64_t now_s = 1'700'000'000;

StepFacts signed_in(std::int64_t age_s = 100) {
  StepFacts out;
  out.session = SessionRecord{"sid", "alice", {"pwd"}, now_s - age_s};
  out.is_consented = true;
  out.now_s = now_s;
  return out;
}

template <typename Change>
NextStep with(Change change, StepFacts facts = signed_in()) {
  change(facts);
  return next_step(facts);
}

TEST(NextStep, whoever_is_signed_in_and_has_consented_goes_on) { EXPECT_EQ(next_step(signed_in()), NextStep::issue); }

TEST(NextStep, without_a_session_somebody_has_to_sign_in) {
  EXPECT_EQ(with([](StepFacts& f) { f.session.reset(); }), NextStep::sign_in);
  EXPECT_EQ(next_step({}), NextStep::sign_in);
}

TEST(NextStep, without_consent_the_user_is_asked) {
  EXPECT_EQ(with([](StepFacts& f) { f.is_consented = false; }), NextStep::consent);
  EXPECT_EQ(with([](StepFacts& f) { f.prompt.consent = true; }), NextStep::consent);
}

TEST(NextStep, prompt_none_never_shows_a_page) {
  const auto none = [](auto change) {
    return with([&](StepFacts& f) {
      f.prompt.none = true;
      change(f);
    });
  };
  EXPECT_EQ(none([](StepFacts&) {}), NextStep::issue);
  EXPECT_EQ(none([](StepFacts& f) { f.session.reset(); }), NextStep::refuse_login);
  EXPECT_EQ(none([](StepFacts& f) { f.is_consented = false; }), NextStep::refuse_consent);
  EXPECT_EQ(none([](StepFacts& f) { f.max_age_s = 10; }), NextStep::refuse_login);
  EXPECT_EQ(none([](StepFacts& f) { f.required_user = "bob"; }), NextStep::refuse_login);
  EXPECT_EQ(none([](StepFacts& f) { f.hint_is_broken = true; }), NextStep::refuse_login);
}

TEST(NextStep, prompt_login_and_select_account_ask_once) {
  for (const bool is_login : {true, false}) {
    const auto prompt = [&](StepFacts& f) { (is_login ? f.prompt.login : f.prompt.select_account) = true; };
    EXPECT_EQ(with(prompt), NextStep::sign_in);
    StepFacts fresh = signed_in(0);
    fresh.is_fresh = true;
    EXPECT_EQ(with(prompt, fresh), NextStep::issue);
  }
}

TEST(NextStep, max_age_asks_for_a_sign_in_that_is_young_enough) {
  EXPECT_EQ(with([](StepFacts& f) { f.max_age_s = 100; }), NextStep::issue);
  EXPECT_EQ(with([](StepFacts& f) { f.max_age_s = 99; }), NextStep::sign_in);
  EXPECT_EQ(with([](StepFacts& f) { f.max_age_s = 0; }, signed_in(0)), NextStep::sign_in);
  EXPECT_EQ(with([](StepFacts& f) { f.max_age_s = 100; }, signed_in(-10)), NextStep::sign_in) << "of the future";
  StepFacts fresh = signed_in(0);
  fresh.is_fresh = true;
  EXPECT_EQ(with([](StepFacts& f) { f.max_age_s = 0; }, fresh), NextStep::issue);
}

TEST(NextStep, a_hint_of_another_user_asks_once_and_then_refuses) {
  EXPECT_EQ(with([](StepFacts& f) { f.required_user = "alice"; }), NextStep::issue);
  EXPECT_EQ(with([](StepFacts& f) { f.required_user = "bob"; }), NextStep::sign_in);
  EXPECT_EQ(with([](StepFacts& f) {
              f.required_user = "bob";
              f.is_fresh = true;
            }),
            NextStep::refuse_login);
}

TEST(NextStep, a_public_client_that_nothing_vouches_for_is_never_taken_at_its_word) {
  Client client;
  EXPECT_TRUE(is_assured(client, "http://127.0.0.1/cb")) << "it proves itself at the token endpoint";
  client.is_public = true;
  EXPECT_TRUE(is_assured(client, "https://app.example/cb"));
  EXPECT_FALSE(is_assured(client, "http://127.0.0.1/cb"));
  EXPECT_FALSE(is_assured(client, "com.example.app:/cb"));
}

}  // namespace
}  // namespace keepgate::oauth

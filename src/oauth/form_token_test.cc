#include "oauth/form_token.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::oauth {
namespace {

constexpr std::string_view form_key = "0123456789abcdef0123456789abcdef";
constexpr std::int64_t form_made_s = 1'700'000'000;
constexpr FormContext context{FormPurpose::sign_in, "browser", "request", "session"};

std::string_view refusal(const FormContext& one, std::string_view token, std::int64_t wall_s = form_made_s,
                         std::string_view with = form_key) {
  const Result<void> checked = check_form_token(with, one, token, wall_s);
  return checked ? std::string_view("good") : checked.error().code;
}

TEST(FormToken, is_good_for_what_it_was_made_for) {
  const std::string token = make_form_token(form_key, context, form_made_s);
  EXPECT_EQ(refusal(context, token), "good");
  EXPECT_EQ(refusal(context, token, form_made_s + form_token_lifetime_s - 1), "good");
  EXPECT_EQ(refusal(context, token), "good") << "going back and sending it again is the flow's business";
}

TEST(FormToken, is_bad_when_one_fact_differs) {
  const std::string token = make_form_token(form_key, context, form_made_s);
  const auto with = [](auto change) {
    FormContext other = context;
    change(other);
    return other;
  };
  EXPECT_EQ(refusal(with([](FormContext& c) { c.purpose = FormPurpose::consent; }), token), "bad_form");
  EXPECT_EQ(refusal(with([](FormContext& c) { c.purpose = FormPurpose::none; }), token), "bad_form");
  EXPECT_EQ(refusal(with([](FormContext& c) { c.browser = "browses"; }), token), "bad_form");
  EXPECT_EQ(refusal(with([](FormContext& c) { c.browser = ""; }), token), "bad_form");
  EXPECT_EQ(refusal(with([](FormContext& c) { c.request = "requests"; }), token), "bad_form");
  EXPECT_EQ(refusal(with([](FormContext& c) { c.session = ""; }), token), "bad_form");
  EXPECT_EQ(refusal(context, token, form_made_s, "0123456789abcdef0123456789abcdeF"), "bad_form");
}

TEST(FormToken, parts_cannot_be_moved_from_one_to_the_next) {
  const std::string token = make_form_token(form_key, {FormPurpose::consent, "ab", "c", "d"}, form_made_s);
  EXPECT_EQ(refusal({FormPurpose::consent, "a", "bc", "d"}, token), "bad_form");
  EXPECT_EQ(refusal({FormPurpose::consent, "ab", "c\n1:d", ""}, token), "bad_form");
}

TEST(FormToken, ends_after_its_time) {
  const std::string token = make_form_token(form_key, context, form_made_s);
  EXPECT_EQ(refusal(context, token, form_made_s + form_token_lifetime_s), "stale_form");
  EXPECT_EQ(refusal(context, token, form_made_s - 1), "stale_form") << "the clock was set back";
}

TEST(FormToken, what_is_no_token_is_refused) {
  const std::string token = make_form_token(form_key, context, form_made_s);
  const std::size_t dot = token.find('.');
  for (const std::string& other :
       {std::string(), std::string("."), token.substr(0, dot), token.substr(dot), token.substr(dot + 1), token + "x",
        token.substr(0, token.size() - 1), "0" + token, "+" + token, "9999999999999999999" + token.substr(dot),
        "99999999999999999999" + token.substr(dot), "1800003600" + token.substr(dot), token + "."}) {
    EXPECT_EQ(refusal(context, other), "bad_form") << other;
  }
}

TEST(FormToken, one_changed_character_makes_it_bad) {
  const std::string token = make_form_token(form_key, context, form_made_s);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == '7' ? '8' : '7';
    EXPECT_EQ(refusal(context, other), "bad_form") << i;
  }
}

TEST(FormTokenDeathTest, none_is_made_without_a_browser_or_a_key) {
  EXPECT_DEATH(make_form_token(form_key, {FormPurpose::consent, "", "r", ""}, form_made_s), "browser");
  EXPECT_DEATH(make_form_token("short", context, form_made_s), "key");
}

}  // namespace
}  // namespace keepgate::oauth

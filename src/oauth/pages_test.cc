#include "oauth/pages.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "oauth/page_frame.h"

namespace keepgate::oauth {
namespace {

constexpr std::string_view evil = "<script>x</script>\"'><img src=//e>&\xe2\x80\xae";
constexpr PageFrame frame{"/as", "auth.example"};
constexpr std::array<HiddenField, 1> hidden{HiddenField{"token", "a\"b"}};
constexpr PageForm form{"/authorize", hidden, Problem::none, 0};

PageForm with_problem(Problem problem, std::int64_t retry_after_s = 0) {
  return {"/authorize", hidden, problem, retry_after_s};
}

std::vector<std::string> all_pages(std::string_view said, const PageForm& with = form) {
  const std::array<ScopeLine, 3> scopes{ScopeLine{"openid", {}}, ScopeLine{said, {}}, ScopeLine{"orders:read", said}};
  const std::array<std::string_view, 1> audiences{said};
  const PageFrame here{"/as", said};
  return {sign_in_page(here, {with, said, said}),
          second_factor_page(here, {with, said}),
          consent_page(here, {with, said, said, said, scopes, audiences}),
          device_code_page(here, {with, said}),
          device_confirm_page(here, {with, said, said, said, scopes}),
          sign_out_page(here, {with, said, said}),
          notice_page(here, Notice::error_client, said)};
}

bool has(std::string_view page, std::string_view part) { return page.contains(part); }

TEST(Pages, nothing_a_stranger_chose_becomes_markup) {
  for (const std::string& page : all_pages(evil)) {
    EXPECT_FALSE(has(page, "<script")) << page;
    EXPECT_FALSE(has(page, "<img")) << page;
    EXPECT_FALSE(has(page, "\"'>")) << page;
    EXPECT_FALSE(has(page, "\xe2\x80\xae")) << page;
    EXPECT_TRUE(has(page, "&lt;script&gt;")) << page;
  }
}

TEST(Pages, every_page_is_a_document_without_scripts_styles_of_its_own_or_anything_from_elsewhere) {
  for (const std::string& page : all_pages("Shop")) {
    EXPECT_TRUE(page.starts_with("<!doctype html>\n<html lang=\"en\">")) << page;
    EXPECT_TRUE(has(page, "<meta name=\"viewport\"") && has(page, "<title>") && has(page, "<h1>") &&
                has(page, "<main>"));
    EXPECT_TRUE(has(page, page_style_url("/as")));
    for (const std::string_view never :
         {"http:", "https:", "//", "<script", "style=", "<style", "javascript", "src="}) {
      EXPECT_FALSE(has(page, never)) << never << page;
    }
  }
}

TEST(Pages, forms_post_to_us_with_labels_and_hidden_fields) {
  for (const std::string& page : all_pages("Shop")) {
    if (!has(page, "<form")) continue;
    EXPECT_TRUE(has(page, "<form method=\"post\" action=\"/as/authorize\">")) << page;
    EXPECT_TRUE(has(page, "name=\"token\" value=\"a&quot;b\"")) << page;
  }
}

TEST(Pages, password_managers_know_the_fields) {
  const std::string sign_in = sign_in_page(frame, {form, "Shop", "alice"});
  EXPECT_TRUE(has(sign_in, "<label for=\"username\">") && has(sign_in, "id=\"username\""));
  EXPECT_TRUE(has(sign_in, "autocomplete=\"username\"") && has(sign_in, "value=\"alice\""));
  EXPECT_TRUE(has(sign_in, "type=\"password\" autocomplete=\"current-password\""));
  EXPECT_TRUE(has(second_factor_page(frame, {form, "alice"}), "autocomplete=\"one-time-code\""));
  EXPECT_FALSE(has(sign_in, "alert"));
}

TEST(Pages, the_first_empty_field_has_the_focus) {
  const auto focus = [](const std::string& page) {
    const std::size_t at = page.find(" autofocus");
    EXPECT_EQ(page.find(" autofocus", at + 1), std::string::npos);
    const std::size_t start = page.rfind("id=\"", at) + 4;
    return page.substr(start, page.find('"', start) - start);
  };
  EXPECT_EQ(focus(sign_in_page(frame, {form, "Shop", ""})), "username");
  EXPECT_EQ(focus(sign_in_page(frame, {form, "Shop", "alice"})), "password");
}

TEST(Pages, a_problem_is_read_aloud_and_belongs_to_its_field) {
  for (const Problem problem : {Problem::wrong, Problem::too_many, Problem::stale, Problem::busy}) {
    const std::string page = sign_in_page(frame, {with_problem(problem, 30), "Shop", "alice"});
    EXPECT_TRUE(has(page, "role=\"alert\" id=\"problem\"")) << page;
    EXPECT_TRUE(has(page, "aria-describedby=\"problem\""));
    EXPECT_EQ(has(page, "aria-invalid=\"true\""), problem == Problem::wrong);
  }
  EXPECT_TRUE(has(sign_in_page(frame, {with_problem(Problem::too_many, 61), "S", "a"}), "again in 2 minutes"));
  EXPECT_TRUE(has(sign_in_page(frame, {with_problem(Problem::too_many, 60), "S", "a"}), "again in a minute"));
}

TEST(Pages, a_wrong_user_and_a_wrong_password_look_alike) {
  const std::string a = sign_in_page(frame, {with_problem(Problem::wrong), "Shop", "alice"});
  std::string b = sign_in_page(frame, {with_problem(Problem::wrong), "Shop", "nobody"});
  b.replace(b.find("nobody"), 6, "alice");
  EXPECT_EQ(a, b);
}

TEST(Pages, the_password_is_never_in_a_page) {
  EXPECT_FALSE(has(sign_in_page(frame, {with_problem(Problem::wrong), "Shop", "alice"}), "type=\"password\" value"));
}

TEST(Pages, consent_names_client_user_scopes_and_where_it_leads) {
  const std::array<ScopeLine, 3> scopes{ScopeLine{"openid", {}}, ScopeLine{"orders:read", "See your orders"},
                                        ScopeLine{"x:y", {}}};
  const std::array<std::string_view, 1> audiences{"orders"};
  const std::string page = consent_page(frame, {form, "Shop", "alice", "shop.example", scopes, audiences});
  for (const std::string_view part : {"Shop", "alice", "shop.example", "Know who you are", "See your orders",
                                      "orders:read", "x:y", "value=\"allow\"", "value=\"refuse\""}) {
    EXPECT_TRUE(has(page, part)) << part;
  }
}

TEST(Pages, a_device_shows_its_code_and_a_warning_and_is_not_allowed_at_once) {
  const std::string page = device_confirm_page(frame, {form, "TV", "alice", "WDJB-MJHT", {}});
  EXPECT_TRUE(has(page, "WDJB-MJHT") && has(page, "class=\"warning\"") && has(page, "value=\"refuse\""));
}

TEST(Pages, what_a_notice_says_is_ours) {
  for (int i = 0; i <= static_cast<int>(Notice::stayed_signed_in); ++i) {
    const std::string page = notice_page(frame, static_cast<Notice>(i), "bad_request 7f3a");
    EXPECT_TRUE(has(page, "<code>bad_request 7f3a</code>"));
    EXPECT_FALSE(has(page, "<form"));
    EXPECT_FALSE(has(notice_page(frame, static_cast<Notice>(i)), "<code>"));
  }
}

std::string field_of(const std::vector<PageField>& fields, std::string_view name) {
  for (const PageField& one : fields) {
    if (one.name == name) return one.value;
  }
  return "missing";
}

TEST(PageFields, keep_a_page_where_it_is) {
  const auto fields = page_fields();
  EXPECT_EQ(field_of(fields, "Content-Security-Policy"),
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
  EXPECT_EQ(field_of(fields, "X-Frame-Options"), "DENY");
  EXPECT_EQ(field_of(fields, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(field_of(fields, "Referrer-Policy"), "no-referrer");
  EXPECT_EQ(field_of(fields, "Cache-Control"), "no-store");
  EXPECT_EQ(field_of(fields, "Cross-Origin-Opener-Policy"), "same-origin");
}

TEST(PageFields, a_form_may_lead_on_to_the_scheme_of_the_client_and_nowhere_else) {
  const auto form_action = [](std::string_view uri) {
    const std::string policy = field_of(page_fields(uri), "Content-Security-Policy");
    const std::size_t at = policy.find("form-action ") + 12;
    return policy.substr(at, policy.find(';', at) - at);
  };
  EXPECT_EQ(form_action("https://shop.example/cb?x=1"), "'self' https:");
  EXPECT_EQ(form_action("HTTPS://shop.example/cb"), "'self' https:");
  EXPECT_EQ(form_action("http://127.0.0.1:1234/cb"), "'self' http:");
  EXPECT_EQ(form_action("com.example.app:/cb"), "'self' com.example.app:");
  for (const std::string_view bad : {"", "cb", ":x", "javascript:x", "JavaScript:x", "data:,x", "blob:x", "a;b:c",
                                     "a b:c", "1a:b", "'none':x", "*:x", "\xc3\xa4:x"}) {
    EXPECT_EQ(form_action(bad), "'self'") << bad;
  }
}

TEST(PageFields, the_style_sheet_is_text_without_anything_from_elsewhere) {
  for (const std::string_view never : {"url(", "@import", "http", "expression"}) {
    EXPECT_FALSE(has(page_style(), never)) << never;
  }
  EXPECT_TRUE(page_style_url("/as").starts_with("/as/style.css?v="));
}

}  // namespace
}  // namespace keepgate::oauth

#include "oauth/pages.h"

#include <algorithm>

#include "base/bytes.h"
#include "oauth/html.h"
#include "oauth/page_text.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view problem_id = "problem";
constexpr std::int64_t seconds_a_minute = 60;

// The sentence with `value`, HTML already, where its "{}" stands.
std::string with(std::string_view sentence, std::string_view value) {
  const std::size_t at = sentence.find("{}");
  if (at == std::string_view::npos) return std::string(sentence);
  return cat(sentence.substr(0, at), value, sentence.substr(at + 2));
}

// A stranger's text within a sentence: <bdi> keeps its direction to itself.
std::string shown(std::string_view value) { return cat("<strong><bdi>", escape_html_cut(value), "</bdi></strong>"); }

std::string heading(std::string_view words) { return cat("<h1>", words, "</h1>\n"); }
std::string lead(std::string_view words) { return cat("<p class=\"lead\">", words, "</p>\n"); }

std::string words_of(const PageForm& form, std::string_view wrong) {
  switch (form.problem) {
    case Problem::none:
      return {};
    case Problem::wrong:
      return std::string(wrong);
    case Problem::too_many: {
      const std::int64_t minutes = (form.retry_after_s + seconds_a_minute - 1) / seconds_a_minute;
      return minutes <= 1 ? std::string(text::too_many_seconds) : with(text::too_many_minutes, cat(minutes));
    }
    case Problem::stale:
      return std::string(text::form_too_old);
    case Problem::busy:
      return std::string(text::busy);
    case Problem::sign_in_again:
      return std::string(text::sign_in_again);
  }
  return {};
}

std::string problem(const PageForm& form, std::string_view wrong) {
  const std::string words = words_of(form, wrong);
  return words.empty() ? words : cat("<p class=\"problem\" role=\"alert\" id=\"", problem_id, "\">", words, "</p>\n");
}

std::string form_start(const PageFrame& frame, const PageForm& form) {
  std::string out = cat("<form method=\"post\" action=\"", escape_html(frame.base), escape_html(form.action), "\">\n");
  for (const HiddenField& one : form.hidden) {
    append(out, "<input type=\"hidden\" name=\"", escape_html(one.name), "\" value=\"", escape_html(one.value),
           "\">\n");
  }
  return out;
}

struct InputField {
  std::string_view name, label, type, autocomplete, value;
  std::string_view more;  // Further attributes, ours.
  bool has_focus = false;
};

// A field that was wrong says so, and what is wrong is read with it.
std::string input(const InputField& field, const PageForm& form) {
  const bool is_wrong = form.problem == Problem::wrong;
  std::string out = cat("<label for=\"", field.name, "\">", field.label, "</label>\n<input id=\"", field.name,
                        "\" name=\"", field.name, "\" type=\"", field.type, "\" autocomplete=\"", field.autocomplete,
                        "\" required", field.more.empty() ? "" : " ", field.more);
  if (!field.value.empty()) append(out, " value=\"", escape_html(field.value), "\"");
  if (is_wrong) append(out, " aria-invalid=\"true\"");
  if (form.problem != Problem::none) append(out, " aria-describedby=\"", problem_id, "\"");
  if (field.has_focus) out.append(" autofocus");
  return out.append(">\n");
}

std::string button(std::string_view words) { return cat("<button type=\"submit\">", words, "</button>\n"); }

// Which of two buttons was pressed comes back as `decision`; whatever else comes back is no.
std::string decision_buttons(std::string_view yes, std::string_view no) {
  const auto one = [](std::string_view value, std::string_view look, std::string_view words) {
    return cat("<button type=\"submit\" name=\"", field::decision, "\" value=\"", value, "\"", look, ">", words,
               "</button>\n");
  };
  return one(field::allow, "", yes) + one(field::refuse, " class=\"quiet\"", no);
}

std::string who(std::string_view user_name) {
  if (user_name.empty()) return {};
  return cat("<p class=\"who\">", with(text::signed_in_as, shown(user_name)), "</p>\n");
}

std::string_view our_words_for(std::string_view scope) {
  const auto found = std::ranges::find(text::scopes, scope, &text::ScopeWords::scope);
  return found == std::end(text::scopes) ? std::string_view() : found->words;
}

std::string scope_list(std::span<const ScopeLine> scopes) {
  std::string out = "<ul>\n";
  if (scopes.empty()) append(out, "<li>", text::consent_nothing, "</li>\n");
  for (const ScopeLine& one : scopes) {
    const std::string_view ours = our_words_for(one.name);
    if (!one.words.empty()) {
      append(out, "<li><bdi>", escape_html_cut(one.words, 2 * shown_text_max), "</bdi> <code>",
             escape_html_cut(one.name), "</code></li>\n");
    } else if (!ours.empty()) {
      append(out, "<li>", ours, "</li>\n");
    } else {
      append(out, "<li>", text::scope_by_name, " <code>", escape_html_cut(one.name), "</code></li>\n");
    }
  }
  return out.append("</ul>\n");
}

struct NoticeWords {
  std::string_view title, words;
  bool is_error = false;
};

NoticeWords words_of(Notice notice) {
  switch (notice) {
    case Notice::error_request:
      break;
    case Notice::error_client:
      return {text::error_title, text::error_client, true};
    case Notice::error_redirect:
      return {text::error_title, text::error_redirect, true};
    case Notice::error_expired:
      return {text::error_title, text::error_expired, true};
    case Notice::error_form:
      return {text::error_title, text::error_form, true};
    case Notice::error_unavailable:
      return {text::error_title, text::error_unavailable, true};
    case Notice::error_not_found:
      return {text::error_title, text::error_not_found, true};
    case Notice::device_allowed:
      return {text::device_allowed_title, text::device_allowed_lead, false};
    case Notice::device_refused:
      return {text::device_refused_title, text::device_refused_lead, false};
    case Notice::signed_out:
      return {text::signed_out_title, text::signed_out_lead, false};
    case Notice::stayed_signed_in:
      return {text::stayed_title, text::stayed_lead, false};
  }
  return {text::error_title, text::error_request, true};
}

}  // namespace

// The field that is empty has the focus, so that a person can type at once.
std::string sign_in_page(const PageFrame& frame, const SignInPage& page) {
  std::string out = heading(text::sign_in_title);
  if (!page.client_name.empty()) out += lead(with(text::sign_in_for, shown(page.client_name)));
  out += problem(page.form, text::wrong_password);
  out += form_start(frame, page.form);
  out += input({field::user_name, text::user_name, "text", "username", page.user_name,
                "autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"128\"", page.user_name.empty()},
               page.form);
  out += input({field::password,
                text::password,
                "password",
                "current-password",
                {},
                "maxlength=\"512\"",
                !page.user_name.empty()},
               page.form);
  out += button(text::sign_in_button) + "</form>\n";
  return document(frame, text::sign_in_title, out);
}

std::string second_factor_page(const PageFrame& frame, const SecondFactorPage& page) {
  std::string out = heading(text::factor_title) + lead(with(text::factor_lead, shown(page.user_name)));
  out += problem(page.form, text::wrong_factor);
  out += form_start(frame, page.form);
  out += input({field::code,
                text::factor_label,
                "text",
                "one-time-code",
                {},
                "class=\"code\" inputmode=\"numeric\" pattern=\"[0-9 ]{6,7}\" maxlength=\"7\"",
                true},
               page.form);
  out += button(text::factor_button) + "</form>\n";
  return document(frame, text::factor_title, out);
}

std::string consent_page(const PageFrame& frame, const ConsentPage& page) {
  std::string out = heading(with(text::consent_title, cat("<bdi>", escape_html_cut(page.client_name), "</bdi>")));
  out += problem(page.form, text::form_too_old);
  out += lead(text::consent_lead) + scope_list(page.scopes);
  std::string concerned;
  for (const std::string_view one : page.audiences) append(concerned, concerned.empty() ? "" : ", ", shown(one));
  if (!concerned.empty()) out += cat("<p class=\"note\">", with(text::consent_audience, concerned), "</p>\n");
  if (!page.return_to.empty()) {
    out += cat("<p class=\"note\">", with(text::consent_return, shown(page.return_to)), "</p>\n");
  }
  out += form_start(frame, page.form) + decision_buttons(text::allow_button, text::refuse_button) + "</form>\n";
  out += who(page.user_name);
  return document(frame, text::consent_page_title, out);
}

std::string device_code_page(const PageFrame& frame, const DeviceCodePage& page) {
  std::string out = heading(text::device_title) + lead(text::device_lead);
  out += problem(page.form, text::wrong_device_code);
  out += form_start(frame, page.form);
  out += input({field::user_code, text::device_label, "text", "off", page.user_code,
                "class=\"code\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"32\"", true},
               page.form);
  out += button(text::device_button) + "</form>\n";
  return document(frame, text::device_title, out);
}

// RFC 8628 §5.4: whoever was sent a link must see what it would be for, and compare the code.
std::string device_confirm_page(const PageFrame& frame, const DeviceConfirmPage& page) {
  std::string out = heading(text::device_confirm_title);
  out += problem(page.form, text::wrong_device_code);
  out += lead(with(text::device_confirm_lead, shown(page.client_name))) + scope_list(page.scopes);
  out += cat("<p>", text::device_confirm_code, "</p>\n<p class=\"show\">", escape_html_cut(page.user_code), "</p>\n");
  out += cat("<p class=\"warning\">", text::device_warning, "</p>\n");
  out += form_start(frame, page.form) + decision_buttons(text::allow_button, text::refuse_button) + "</form>\n";
  out += who(page.user_name);
  return document(frame, text::device_confirm_title, out);
}

std::string sign_out_page(const PageFrame& frame, const SignOutPage& page) {
  std::string out = heading(text::sign_out_title);
  out += problem(page.form, text::form_too_old);
  if (!page.client_name.empty()) out += lead(with(text::sign_out_asked, shown(page.client_name)));
  if (!page.user_name.empty()) out += lead(with(text::sign_out_lead, shown(page.user_name)));
  out += form_start(frame, page.form) + decision_buttons(text::sign_out_button, text::stay_button) + "</form>\n";
  return document(frame, text::sign_out_title, out);
}

std::string notice_page(const PageFrame& frame, Notice notice, std::string_view reference) {
  const NoticeWords words = words_of(notice);
  std::string out =
      heading(words.title) + cat("<p", words.is_error ? " role=\"alert\"" : "", ">", words.words, "</p>\n");
  if (words.is_error) out += lead(text::error_back);
  if (!reference.empty()) {
    out += cat("<p class=\"who\">", with(text::error_reference, cat("<code>", escape_html_cut(reference), "</code>")),
               "</p>\n");
  }
  return document(frame, words.title, out);
}

}  // namespace keepgate::oauth

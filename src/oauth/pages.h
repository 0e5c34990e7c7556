// The pages that people see: whole HTML documents from plain values, without scripts, images or anything from
// elsewhere.
//
// Everything a stranger chose (names of clients, users, codes) is text, escaped and cut (oauth/html.h); no part of a
// request reaches a page in another way. Forms post to `action` of the frame's base, with labels and autocomplete for
// password managers (WCAG 2.2 §1.3.5, §3.3.8). Thread rule: pure functions. Lifetime: they keep nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "oauth/page_frame.h"

namespace keepgate::oauth {

// Why a form is shown again.
enum class Problem : std::uint8_t { none = 0, wrong, too_many, stale, busy, sign_in_again };

struct HiddenField {
  std::string_view name, value;
};

// What all forms have.
struct PageForm {
  std::string_view action;  // Path below the frame's base: "/authorize".
  std::span<const HiddenField> hidden;
  Problem problem = Problem::none;
  std::int64_t retry_after_s = 0;  // Of too_many.
};

// Names of the fields and buttons that come back.
namespace field {
inline constexpr std::string_view user_name = "username", password = "password", code = "code", user_code = "user_code",
                                  decision = "decision";
inline constexpr std::string_view allow = "allow", refuse = "refuse";  // Values of `decision`.
}  // namespace field

struct ScopeLine {
  std::string_view name;
  std::string_view words;  // What the operator says of it; empty: ours if we know it, else the name.
};

struct SignInPage {
  PageForm form;
  std::string_view client_name;  // Empty: nobody asks, as for /device.
  std::string_view user_name;    // What was typed before, or login_hint.
};
struct SecondFactorPage {
  PageForm form;
  std::string_view user_name;
};
struct ConsentPage {
  PageForm form;
  std::string_view client_name, user_name;
  std::string_view return_to;  // Host of the redirect_uri, or its scheme where it has none.
  std::span<const ScopeLine> scopes;
  std::span<const std::string_view> audiences;
};
struct DeviceCodePage {
  PageForm form;
  std::string_view user_code;  // Of verification_uri_complete; a person still has to say yes.
};
struct DeviceConfirmPage {
  PageForm form;
  std::string_view client_name, user_name, user_code;
  std::span<const ScopeLine> scopes;
};
struct SignOutPage {
  PageForm form;
  std::string_view client_name, user_name;  // The client may be unknown: empty.
};

std::string sign_in_page(const PageFrame& frame, const SignInPage& page);
std::string second_factor_page(const PageFrame& frame, const SecondFactorPage& page);
std::string consent_page(const PageFrame& frame, const ConsentPage& page);
std::string device_code_page(const PageFrame& frame, const DeviceCodePage& page);
std::string device_confirm_page(const PageFrame& frame, const DeviceConfirmPage& page);
std::string sign_out_page(const PageFrame& frame, const SignOutPage& page);

// Pages without a form. RFC 6749 §4.1.2.1: where the client or its redirect_uri is not to be trusted, the person is
// told and sent nowhere.
enum class Notice : std::uint8_t {
  error_request = 0,
  error_client,
  error_redirect,
  error_expired,
  error_form,
  error_unavailable,
  error_not_found,
  device_allowed,
  device_refused,
  signed_out,
  stayed_signed_in,
};
// `reference`: what the operator finds in the log, such as an error's slug and the request's id; empty: nothing.
std::string notice_page(const PageFrame& frame, Notice notice, std::string_view reference = {});

}  // namespace keepgate::oauth

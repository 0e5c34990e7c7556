// Form tokens: what a form of ours carries so that only the browser that it was shown to can send it (CSRF, and above
// all login CSRF: nobody can make a browser sign in as somebody else).
//
// A token is HMAC-SHA-256, under a key of the server's, over what it is for: purpose, the random cookie of the browser,
// the authorization request that goes on with it, the session if there is one, and when it ends. Nothing is stored. It
// is no secret from its browser, and worth nothing in another. Thread rule: pure functions. Bounds: lifetime_s.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keepgate::oauth {

// No form of one purpose may be sent as another.
enum class FormPurpose : std::uint8_t {
  none = 0,
  sign_in,
  second_factor,
  consent,
  device_code,
  device_confirm,
  sign_out
};

struct FormContext {
  FormPurpose purpose = FormPurpose::none;
  std::string_view browser;  // The value of browser_cookie. Empty: there is no token, and none is good.
  std::string_view request;  // What the form carries beside it: sealed, or a name of it.
  std::string_view session;  // Empty before somebody has signed in.
};

inline constexpr std::int64_t form_token_lifetime_s = 3600;
inline constexpr std::size_t form_token_key_bytes_min = 32;

std::string make_form_token(std::string_view key, const FormContext& context, std::int64_t wall_s);

// Error{refused, client, "bad_form"} for one that is none of ours or for something else, "stale_form" for one whose
// hour is over: then the page is shown again. Compares in constant time.
Result<void> check_form_token(std::string_view key, const FormContext& context, std::string_view token,
                              std::int64_t wall_s);

}  // namespace keepgate::oauth

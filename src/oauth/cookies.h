// Cookies of the authorization server (RFC 6265): read strictly, written with the prefix __Host-.
//
// The prefix makes browsers refuse a cookie of that name from a sister host, for a path, or over plain HTTP (RFC
// 6265bis §4.1.3.2): nobody else can plant one. Thread rule: pure functions. Bounds: cookie_value_bytes_max.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keepgate::oauth {

// Random, given to every browser before it signs in: forms are bound to it, and so are tries of a password.
inline constexpr std::string_view browser_cookie = "__Host-keepgate-browser";
inline constexpr std::string_view session_cookie = "__Host-keepgate-session";
inline constexpr std::size_t cookie_value_bytes_max = 512;

// The value of the one cookie of this name in the Cookie fields of a request; it points into them. Nothing: none, one
// that is empty, too long or no cookie-octets (RFC 6265 §4.1.1), or two of this name, whichever they are: one of them
// was planted. Names are told apart by case; other cookies may look as they like.
std::optional<std::string_view> find_cookie(std::span<const std::string_view> fields, std::string_view name);

// The value of a Set-Cookie field: Path=/; Secure; HttpOnly; SameSite=Lax. `value` is base64url or the like, of ours.
// `max_age_s` 0: until the browser ends.
std::string set_cookie(std::string_view name, std::string_view value, std::int64_t max_age_s = 0);
// Takes it from the browser.
std::string clear_cookie(std::string_view name);

}  // namespace keepgate::oauth

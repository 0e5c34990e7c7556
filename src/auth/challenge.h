// WWW-Authenticate values (RFC 9110 §11.6.1, RFC 6750 §3). Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace keepgate::auth {

// A quoted-string: quotes and backslashes escaped, control bytes dropped (RFC 9110 §5.6.4).
std::string quoted(std::string_view text);

// SCHEME realm="…"[, error="…"]: RFC 6750 §3.1 wants no error code when no credential was given.
std::string challenge(std::string_view scheme, std::string_view realm, std::string_view error);

}  // namespace keepgate::auth

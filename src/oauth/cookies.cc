#include "oauth/cookies.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"

namespace keepgate::oauth {

namespace {

// Lax, not Strict: the way back from a client to us is a navigation from another site, and has to find the session.
constexpr std::string_view cookie_attributes = "; Path=/; Secure; HttpOnly; SameSite=Lax";

// RFC 6265 §4.1.1: without controls, white space, double quote, comma, semicolon and backslash.
bool is_cookie_octet(char c) { return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\'; }

bool is_cookie_value(std::string_view value) {
  return !value.empty() && value.size() <= cookie_value_bytes_max && std::ranges::all_of(value, is_cookie_octet);
}

}  // namespace

std::optional<std::string_view> find_cookie(std::span<const std::string_view> fields, std::string_view name) {
  std::optional<std::string_view> found;
  for (std::string_view rest : fields) {
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const std::size_t equals = std::min(pair.find('='), pair.size());
      if (trim(pair.substr(0, equals)) != name) continue;
      if (found) return std::nullopt;
      found = pair.substr(std::min(equals + 1, pair.size()));
    }
  }
  return found && is_cookie_value(*found) ? found : std::nullopt;
}

std::string set_cookie(std::string_view name, std::string_view value, std::int64_t max_age_s) {
  KG_ASSERT(name.starts_with("__Host-") && is_cookie_value(value));
  std::string out = cat(name, "=", value, cookie_attributes);
  if (max_age_s > 0) append(out, "; Max-Age=", max_age_s);
  return out;
}

std::string clear_cookie(std::string_view name) { return cat(name, "=", cookie_attributes, "; Max-Age=0"); }

}  // namespace keepgate::oauth

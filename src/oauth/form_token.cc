#include "oauth/form_token.h"

#include <optional>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"

namespace keepgate::oauth {

namespace {

constexpr char end_separator = '.';

std::unexpected<Error> bad_form(std::string_view code, std::string_view detail) {
  return fail(ErrorKind::refused, Blame::client, code, std::string(detail));
}

// Each part behind its length: no two contexts read alike.
std::string mac_of(std::string_view key, const FormContext& context, std::int64_t ends_s) {
  KG_ASSERT(key.size() >= form_token_key_bytes_min);
  std::string text = cat("keepgate form 1\n", static_cast<unsigned>(context.purpose), "\n", ends_s, "\n");
  for (const std::string_view part : {context.browser, context.request, context.session}) {
    append(text, part.size(), ":", part, "\n");
  }
  const auto mac = crypto::hmac_sha256(key, text);
  return crypto::base64url_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

}  // namespace

std::string make_form_token(std::string_view key, const FormContext& context, std::int64_t wall_s) {
  KG_ASSERT(context.purpose != FormPurpose::none && !context.browser.empty());
  const std::int64_t ends_s = wall_s + form_token_lifetime_s;
  return cat(ends_s, end_separator, mac_of(key, context, ends_s));
}

Result<void> check_form_token(std::string_view key, const FormContext& context, std::string_view token,
                              std::int64_t wall_s) {
  if (context.purpose == FormPurpose::none || context.browser.empty()) return bad_form("bad_form", "no browser cookie");
  const std::size_t at = token.find(end_separator);
  if (at == std::string_view::npos) return bad_form("bad_form", "no form token");
  constexpr std::size_t digits_max = 15;  // Until the year 33,658,384; the sum with a lifetime cannot overflow.
  const auto ends_s = parse_unsigned<std::uint64_t>(token.substr(0, at));
  if (!ends_s || at > digits_max || token.starts_with('0')) return bad_form("bad_form", "no form token");
  const auto ends = static_cast<std::int64_t>(*ends_s);
  if (!crypto::equal_constant_time(mac_of(key, context, ends), token.substr(at + 1))) {
    return bad_form("bad_form", "a form token of another browser, purpose, request or key");
  }
  // One that ends later than any that is made now: the clock was set back.
  if (ends <= wall_s || ends > wall_s + form_token_lifetime_s) return bad_form("stale_form", "its time is over");
  return {};
}

}  // namespace keepgate::oauth

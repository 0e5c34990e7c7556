#include "oauth/refresh_token.h"

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "oauth/grant_records.h"
#include "oauth/service.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t tag_bytes = 16;
constexpr std::size_t refresh_token_bytes_max = 256;
constexpr char part_separator = '.';

std::string tag_of(const Service& service, std::string_view text) {
  const auto mac = crypto::hmac_sha256(service.derived_key("families of refresh tokens"), text);
  return crypto::base64url_encode({reinterpret_cast<const char*>(mac.data()), tag_bytes});
}

}  // namespace

std::string make_refresh_token(const Service& service, std::string_view grant, std::string_view secret) {
  std::string out = cat(refresh_prefix, grant, part_separator, secret);
  append(out, part_separator, tag_of(service, out));
  return out;
}

std::string_view family_of_token(const Service& service, std::string_view token) {
  if (token.size() > refresh_token_bytes_max || !token.starts_with(refresh_prefix)) return {};
  const std::size_t end = token.rfind(part_separator);
  if (end == std::string_view::npos) return {};
  if (!crypto::equal_constant_time(tag_of(service, token.substr(0, end)), token.substr(end + 1))) return {};
  token.remove_prefix(refresh_prefix.size());
  return token.substr(0, token.find(part_separator));
}

std::string successor_of_token(const Service& service, std::string_view token) {
  const auto mac = crypto::hmac_sha256(service.derived_key("refresh tokens"), token);
  const std::string secret = crypto::base64url_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
  const std::string_view family = family_of_token(service, token);
  return family.empty() ? cat(refresh_prefix, secret) : make_refresh_token(service, family, secret);
}

}  // namespace keepgate::oauth

// rooms: issuer auth crypto base
// What an issuer publishes: metadata leads to https only, a key set gives public keys only, a lifetime is no negative
// one.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "issuer/document.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auth::IssuerOptions options;
  options.issuer = "https://a.example/b";
  if (const auto url = issuer::keys_url_of(text, options))
    KG_ASSERT(equals_ignoring_case(url->substr(0, 8), "https://"));  // RFC 3986 §3.1: in any case of letters.
  std::vector<std::string> remarks;
  if (const auto keys = issuer::keys_of(text, "https://a.example/jwks", remarks)) {
    KG_ASSERT(!(*keys)->keys.empty());
    for (const auto& key : (*keys)->keys) KG_ASSERT(key->secret().empty() && !key->is_private());
  }
  const std::size_t middle = size / 2;
  if (const auto lifetime = issuer::lifetime_s(text.substr(0, middle), text.substr(middle))) KG_ASSERT(*lifetime >= 0);
  if (issuer::trouble_with_issuer(text, true).empty()) {
    for (const std::string& url : issuer::metadata_urls(text)) KG_ASSERT(issuer::trouble_with_url(url, true).empty());
  }
  return 0;
}

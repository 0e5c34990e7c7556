#include "oauth/public_keys.h"

#include <algorithm>

#include "crypto/json.h"

namespace keepgate::oauth {

namespace {

constexpr crypto::JsonLimits public_set_limits{.bytes_max = 1024 * 1024, .depth_max = 10, .values_max = 16 * 1024};
// RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2.
constexpr std::string_view secret_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

}  // namespace

std::string fault_of_public_keys(std::string_view jwks) {
  const auto json = crypto::parse_json(jwks, public_set_limits);
  const crypto::Json* const keys = json && json->object() ? json->find("keys") : nullptr;
  if (!keys || !keys->array()) return "they are no JWK Set";
  for (const crypto::Json& key : *keys->array()) {
    if (!key.object()) return "one of them is no JWK";
    if (key.string_at("kty") == "oct") return "a shared secret is no public key";
    if (std::ranges::any_of(secret_members, [&](std::string_view name) { return key.find(name) != nullptr; })) {
      return "there is a private key among them";
    }
  }
  return {};
}

}  // namespace keepgate::oauth

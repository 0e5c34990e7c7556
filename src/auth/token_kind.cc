#include "auth/token_kind.h"

#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"

namespace keepgate::auth {

using crypto::Json;

Result<void> check_claims_of_access_token(const Json& claims) {
  for (const std::string_view name : {"at_hash", "c_hash", "s_hash"}) {
    if (claims.find(name) != nullptr) return bad_token(cat("claim '", name, "': an ID token is no access token"));
  }
  if (claims.find("events") != nullptr) return bad_token("claim 'events': a security event is no access token");
  if (claims.find("nonce") != nullptr && claims.find("scope") == nullptr && claims.find("scp") == nullptr) {
    return bad_token("claim 'nonce' without scopes: an ID token is no access token");
  }
  if (claims.find("token_use") != nullptr && claims.string_at("token_use") != "access") {
    return bad_token("claim 'token_use' is not access");
  }
  if (claims.find("typ") == nullptr) return {};
  const std::string_view word = claims.string_at("typ").value_or("");
  if (equals_ignoring_case(word, "Bearer") || equals_ignoring_case(word, "DPoP")) return {};
  return bad_token("claim 'typ' is that of another kind of token");
}

bool is_for_one_of(const Json* audience, const std::vector<std::string>& ours) {
  const auto is_ours = [&](const Json& one) {
    return one.string() != nullptr && std::ranges::find(ours, *one.string()) != ours.end();
  };
  if (audience == nullptr) return false;
  if (audience->array() == nullptr) return is_ours(*audience);
  const bool all_texts =
      std::ranges::all_of(*audience->array(), [](const Json& one) { return one.string() != nullptr; });
  return all_texts && std::ranges::any_of(*audience->array(), is_ours);
}

}  // namespace keepgate::auth

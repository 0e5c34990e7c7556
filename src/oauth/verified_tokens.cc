#include "oauth/verified_tokens.h"

#include "auth/claims.h"
#include "base/bytes.h"

namespace keepgate::oauth {

namespace {

// The claims as they are, and what only introspection says.
std::string introspection_of(const crypto::Json& payload) {
  const crypto::Json* confirmation = payload.find("cnf");
  const bool is_bound_to_key = confirmation && confirmation->find("jkt");
  const std::string claims = payload.write();
  return cat(R"({"active":true,"token_type":")", is_bound_to_key ? "DPoP" : "Bearer", "\",",
             std::string_view(claims).substr(1));
}

}  // namespace

Result<std::shared_ptr<const VerifiedToken>> VerifiedTokens::read(std::string_view token, const Settings& settings,
                                                                  const std::shared_ptr<const KeyRing>& keys, Now now) {
  const std::size_t index = crypto::siphash13(key_, token) % entries_max;
  std::mutex& mutex = mutexes_[index % locks];
  {
    const std::lock_guard lock(mutex);
    const Entry& entry = entries_[index];
    if (entry.keys == keys && entry.text == token) {
      if (entry.value->token.number("exp") <= now.wall_s()) return auth::bad_token("it has expired");
      return entry.value;
    }
  }
  auto own = read_access_token(token, settings, *keys, now);
  if (!own) return std::unexpected(std::move(own.error()));
  auto value = std::make_shared<VerifiedToken>();
  value->token = std::move(*own);
  value->introspection = introspection_of(value->token.payload);
  if (token.size() <= token_bytes_max) {
    Entry fresh{std::string(token), keys, value};
    const std::lock_guard lock(mutex);
    std::swap(entries_[index], fresh);
  }
  return value;
}

}  // namespace keepgate::oauth

#include "oauth/verified_tokens.h"

#include "auth/claims.h"

namespace keepgate::oauth {

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
  const std::string text = value->token.payload.write();
  value->claims = text.substr(1, text.size() - 2);
  if (token.size() <= token_bytes_max) {
    Entry fresh{std::string(token), keys, value};
    const std::lock_guard lock(mutex);
    std::swap(entries_[index], fresh);
  }
  return value;
}

}  // namespace keepgate::oauth

// auth_api_key: a key of a key file, from a field, an argument or a cookie.
#include "auth/api_key_credential.h"
#include "auth/challenge.h"
#include "auth/methods.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

// Costs a lock that is held while a pointer is copied.
std::shared_ptr<const ApiKeySet> keys_of(const AuthOptions& options) {
  return options.api_key.keys ? options.api_key.keys->current() : nullptr;
}

// For the logs. The id may be shown; it is what the client claims, until the key is known.
std::string reason_of(const CheckedApiKey& checked) {
  if (checked.id.empty()) return "API key: its form or its checksum is wrong";
  if (!checked.is_known) return cat("API key ", checked.id, ": there is no such key");
  return cat("API key ", checked.id, " is ", name_of(checked.state));
}

}  // namespace

AuthResult authenticate_by_api_key(const AuthInput& input) {
  const std::shared_ptr<const ApiKeySet> keys = keys_of(input.options);
  if (!keys) return AuthResult::is_unavailable("the API keys of this location cannot be used");
  const Result<FoundApiKey> found = find_api_key(input.options.api_key, input.head);
  if (!found) return AuthResult::is_bad(found.error().detail);
  if (!found->is_there) return AuthResult::is_not_mine();
  CheckedApiKey checked = keys->check(found->text, input.now.wall_s());
  if (checked.state != ApiKeyState::active || !checked.principal) return AuthResult::is_bad(reason_of(checked));
  AuthResult result = AuthResult::is_good(std::move(checked.principal));
  result.key_id = checked.id;
  return result;
}

std::string challenge_for_api_key(const AuthInput& input, std::string_view error) {
  return challenge("ApiKey", input.options.api_key.realm.evaluate(input.variables, input.arena), error);
}

std::string describe_api_key(const AuthOptions& options) {
  const std::shared_ptr<const ApiKeySet> keys = keys_of(options);
  const std::size_t count = keys ? keys->size() : 0;
  return cat("an API key (auth_api_key, ", count, count == 1 ? " key)" : " keys)");
}

bool is_api_key_unusable(const AuthOptions& options) { return keys_of(options) == nullptr; }

}  // namespace keepgate::auth

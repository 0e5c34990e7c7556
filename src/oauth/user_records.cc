#include "oauth/user_records.h"

#include "base/bytes.h"
#include "crypto/seal.h"

namespace keepgate::oauth {

Result<std::optional<User>> find_user(store::Database& database, const Settings& settings,
                                      const crypto::SecretText& wrapping_key, std::string_view name) {
  if (!is_user_name(name)) return std::nullopt;
  const std::string key(name);
  if (const auto found = settings.users.find(key); found != settings.users.end()) return *found->second;
  const auto rows = database.run("SELECT document, totp_sealed FROM users WHERE name = $1", {key});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return std::nullopt;
  auto user = read_user(store::text_of(rows->front()[0]));
  if (!user || user->name != name) {
    return fail(ErrorKind::internal, Blame::us, "store_broken",
                cat("user '", printable(name), "' of the store cannot be used"));
  }
  if (!store::is_null(rows->front()[1])) {
    // INVARIANT: a second factor that cannot be read must never pass for none.
    auto secret = crypto::open_sealed(wrapping_key.view(), store::text_of(rows->front()[1]), cat("totp ", name));
    if (!secret) {
      return fail(ErrorKind::internal, Blame::us, "store_broken",
                  cat("the second factor of '", printable(name), "' cannot be unwrapped"));
    }
    user->totp_secret = secret->view();
  }
  return std::move(*user);
}

}  // namespace keepgate::oauth

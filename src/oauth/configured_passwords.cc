#include "oauth/configured_passwords.h"

#include <map>
#include <string>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "oauth/revocations.h"
#include "oauth/stored_users.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view fact_prefix = "password ";

std::string mark_of(const User& user, std::string_view key) {
  const auto mac = crypto::hmac_sha256(key, cat(user.name, '\n', user.password_hash));
  return crypto::base64url_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

}  // namespace

Result<void> sign_out_changed_users(store::Database& database, const Settings& settings, std::string_view key,
                                    Now now) {
  if (settings.users.empty()) return {};
  const auto rows = database.run("SELECT name, value FROM facts WHERE name LIKE 'password %'");
  if (!rows) return std::unexpected(rows.error());
  std::map<std::string, std::string> known;
  for (const store::Row& row : *rows) known.emplace(store::text_of(row[0]), store::text_of(row[1]));
  for (const auto& [name, user] : settings.users) {
    const std::string fact = cat(fact_prefix, name), mark = mark_of(*user, key);
    const auto before = known.find(fact);
    if (before != known.end() && before->second == mark) continue;
    const auto noted = database.run(
        "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {fact, mark});
    if (!noted) return std::unexpected(noted.error());
    if (before == known.end()) continue;
    const Result<void> ended = sign_out_user(database, name, revoked_until_s(now.wall_s()), now);
    if (!ended) return ended;
    log(LogLevel::notice, "authorization server: user '", printable(name),
        "' has another password in the configuration, and is signed out");
  }
  return {};
}

}  // namespace keepgate::oauth

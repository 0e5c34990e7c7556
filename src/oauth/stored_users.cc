#include "oauth/stored_users.h"

#include <utility>

#include "base/bytes.h"
#include "oauth/revocations.h"

namespace keepgate::oauth {

namespace {

StoredUser stored_user_of(const store::Row& row) {
  StoredUser out;
  out.name = store::text_of(row[0]);
  out.has_second_factor = !store::is_null(row[2]);
  out.created_s = store::number_of(row[3]);
  out.changed_s = store::number_of(row[4]);
  Result<User> user = read_user(store::text_of(row[1]));
  if (!user) {
    out.fault = user.error().detail;
  } else if (user->name != out.name) {
    out.fault = "it names another user";
  } else {
    out.user = std::move(*user);
  }
  return out;
}

Result<bool> has_rows(const Result<store::Rows>& rows) {
  if (!rows) return std::unexpected(rows.error());
  return !rows->empty();
}

Result<void> run_each(store::Database& database, std::initializer_list<std::string_view> statements,
                      const std::string& name) {
  for (const std::string_view statement : statements) {
    const auto done = database.run(statement, {name});
    if (!done) return std::unexpected(done.error());
  }
  return {};
}

}  // namespace

Result<std::vector<StoredUser>> all_stored_users(store::Database& database) {
  const auto rows = database.run("SELECT name, document, totp_sealed, created_s, changed_s FROM users ORDER BY name");
  if (!rows) return std::unexpected(rows.error());
  std::vector<StoredUser> out;
  for (const store::Row& row : *rows) out.push_back(stored_user_of(row));
  return out;
}

Result<std::optional<StoredUser>> find_stored_user(store::Database& database, std::string_view name) {
  const auto rows = database.run("SELECT name, document, totp_sealed, created_s, changed_s FROM users WHERE name = $1",
                                 {std::string(name)});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return std::nullopt;
  return stored_user_of(rows->front());
}

Result<bool> add_user(store::Database& database, const User& user, Now now) {
  KG_ASSERT(fault_of(user).empty() && user.totp_secret.empty());
  return has_rows(
      database.run("INSERT INTO users (name, document, created_s, changed_s) VALUES ($1, $2, $3, $4)"
                   " ON CONFLICT (name) DO NOTHING RETURNING name",
                   {user.name, write_user(user), now.wall_s(), now.wall_s()}));
}

Result<bool> change_user(store::Database& database, const User& user, Now now) {
  KG_ASSERT(fault_of(user).empty());
  return has_rows(database.run("UPDATE users SET document = $2, changed_s = $3 WHERE name = $1 RETURNING name",
                               {user.name, write_user(user), now.wall_s()}));
}

Result<bool> set_second_factor(store::Database& database, std::string_view name, std::string_view sealed, Now now) {
  const std::string key(name);
  // A step that was used belongs to the secret before.
  if (const Result<void> done = run_each(database, {"DELETE FROM totp_steps WHERE user_name = $1"}, key); !done) {
    return std::unexpected(done.error());
  }
  return has_rows(database.run("UPDATE users SET totp_sealed = $2, changed_s = $3 WHERE name = $1 RETURNING name",
                               {key, store::text_or_null(sealed), now.wall_s()}));
}

std::string second_factor_purpose(std::string_view name) { return cat("totp ", name); }

Result<void> sign_out_user(store::Database& database, std::string_view name, std::int64_t until_s, Now now) {
  const std::string key(name);
  const Result<void> ended = run_each(database, {"DELETE FROM sessions WHERE user_name = $1"}, key);
  if (!ended) return ended;
  return revoke_subject(database, cat("user:", name), until_s, now);
}

Result<bool> remove_user(store::Database& database, std::string_view name, std::int64_t until_s, Now now) {
  const std::string key(name);
  Result<bool> removed = has_rows(database.run("DELETE FROM users WHERE name = $1 RETURNING name", {key}));
  if (!removed || !*removed) return removed;
  Result<void> done = run_each(
      database, {"DELETE FROM consents WHERE user_name = $1", "DELETE FROM totp_steps WHERE user_name = $1"}, key);
  if (done) done = sign_out_user(database, name, until_s, now);
  if (!done) return std::unexpected(done.error());
  return true;
}

}  // namespace keepgate::oauth

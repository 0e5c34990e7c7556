#include "oauth/session_records.h"

#include "oauth/grant_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t noted_after_s =
    60;  // A use within a minute of the last is not written: most requests write nothing.

// Who signs in again goes on: what the session gave before ends with it at a sign-out, too.
Result<std::string> id_to_go_on_with(store::Database& database, const NewSession& session) {
  if (session.old_cookie.empty()) return make_token("");
  const auto rows = database.run("SELECT id FROM sessions WHERE hash = $1 AND user_name = $2",
                                 {hash_of_token(session.old_cookie), session.user});
  if (!rows) return std::unexpected(rows.error());
  return rows->empty() ? make_token("") : store::text_of(rows->front()[0]);
}

}  // namespace

std::string make_session_cookie() { return make_token(""); }

Result<std::optional<SessionRecord>> find_session(store::Database& database, std::string_view cookie,
                                                  const Settings& settings, Now now) {
  if (cookie.empty()) return std::nullopt;
  const std::string hash = hash_of_token(cookie);
  const auto rows = database.run(
      "SELECT id, user_name, methods, authenticated_s, used_s, expires_s FROM sessions WHERE hash = $1", {hash});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return std::nullopt;
  const store::Row& row = rows->front();
  SessionRecord out;
  out.id = store::text_of(row[0]);
  out.user = store::text_of(row[1]);
  out.methods = split_words(store::text_of(row[2]));
  out.authenticated_s = store::number_of(row[3]);
  const std::int64_t used_s = store::number_of(row[4]), wall_s = now.wall_s();
  if (wall_s >= store::number_of(row[5]) || wall_s >= out.authenticated_s + settings.session_lifetime_s ||
      wall_s >= used_s + settings.session_idle_s) {
    return std::nullopt;
  }
  if (wall_s - used_s >= noted_after_s) {
    const auto noted = database.run("UPDATE sessions SET used_s = $2 WHERE hash = $1 AND used_s < $2", {hash, wall_s});
    if (!noted) return std::unexpected(noted.error());
  }
  return out;
}

Result<SessionRecord> begin_session(store::Database& database, const NewSession& session, const Settings& settings,
                                    Now now) {
  auto id = id_to_go_on_with(database, session);
  if (!id) return std::unexpected(id.error());
  if (const auto ended = end_session(database, session.old_cookie); !ended) return std::unexpected(ended.error());
  SessionRecord out{std::move(*id), session.user, session.methods, now.wall_s()};
  const auto added = database.run(
      "INSERT INTO sessions (hash, id, user_name, methods, authenticated_s, used_s, expires_s)"
      " VALUES ($1, $2, $3, $4, $5, $5, $6)",
      {hash_of_token(session.cookie), out.id, out.user, joined(out.methods), out.authenticated_s,
       out.authenticated_s + settings.session_lifetime_s});
  if (!added) return std::unexpected(added.error());
  return out;
}

Result<bool> is_signed_in(store::Database& database, std::string_view session_id, std::string_view user, Now now) {
  const auto rows = database.run("SELECT id FROM sessions WHERE id = $1 AND user_name = $2 AND expires_s > $3",
                                 {std::string(session_id), std::string(user), now.wall_s()});
  if (!rows) return std::unexpected(rows.error());
  return !rows->empty();
}

Result<void> end_session(store::Database& database, std::string_view cookie) {
  if (cookie.empty()) return {};
  const auto done = database.run("DELETE FROM sessions WHERE hash = $1", {hash_of_token(cookie)});
  if (!done) return std::unexpected(done.error());
  return {};
}

}  // namespace keepgate::oauth

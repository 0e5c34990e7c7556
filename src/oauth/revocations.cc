#include "oauth/revocations.h"

#include "base/bytes.h"
#include "oauth/service.h"

namespace keepgate::oauth {

namespace {
constexpr std::int64_t clock_room_s = 600;
}

std::int64_t revoked_until_s(std::int64_t now_s) { return revoked_until_after_s(now_s + token_lifetime_s_max); }

std::int64_t revoked_until_after_s(std::int64_t expires_s) { return expires_s + clock_room_s; }

Result<void> count_up(store::Database& database, std::string_view version) {
  const auto done = database.run("UPDATE versions SET value = value + 1 WHERE name = $1", {std::string(version)});
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> add_revocation(store::Database& database, std::string_view kind, std::string_view value,
                            std::int64_t before_s, std::int64_t until_s) {
  const auto version = database.run("UPDATE versions SET value = value + 1 WHERE name = 'revocations' RETURNING value");
  if (!version) return std::unexpected(version.error());
  const auto count = database.run("SELECT COUNT(*) FROM revocations");
  if (!count) return std::unexpected(count.error());
  if (store::number_of((*count)[0][0]) >= revocations_max) {
    return store::store_unavailable("the list of revocations is full", ErrorKind::limit);
  }
  // before_s 0 is the widest there is.
  const auto added = database.run(
      "INSERT INTO revocations (kind, value, before_s, until_s, version) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (kind, value) DO UPDATE SET version = excluded.version,"
      " before_s = CASE WHEN revocations.before_s = 0 OR excluded.before_s = 0 THEN 0"
      " WHEN revocations.before_s > excluded.before_s THEN revocations.before_s ELSE excluded.before_s END,"
      " until_s = CASE WHEN revocations.until_s > excluded.until_s THEN revocations.until_s"
      " ELSE excluded.until_s END",
      {std::string(kind), std::string(value), before_s, until_s, store::number_of((*version)[0][0])});
  if (!added) return std::unexpected(added.error());
  return {};
}

Result<void> revoke_lone_token(store::Database& database, std::string_view id, std::int64_t until_s) {
  const Result<void> alone = add_revocation(database, "jti", id, 0, until_s);
  return alone ? add_revocation(database, "grant", id, 0, until_s) : alone;
}

Result<void> revoke_grant(store::Database& database, std::string_view grant, std::int64_t until_s, Now now) {
  const auto marked = database.run("UPDATE grants SET revoked_s = $2 WHERE id = $1 AND revoked_s IS NULL RETURNING id",
                                   {std::string(grant), now.wall_s()});
  if (!marked) return std::unexpected(marked.error());
  if (marked->empty()) return {};  // It is gone, or was revoked before.
  // A grant whose code nobody has redeemed gave no tokens: there is nothing to tell anybody.
  const auto waiting =
      database.run("SELECT hash FROM codes WHERE grant_id = $1 AND used_s IS NULL", {std::string(grant)});
  if (!waiting) return std::unexpected(waiting.error());
  if (!waiting->empty()) return {};
  return add_revocation(database, "grant", grant, 0, until_s);
}

Result<void> revoke_session_grants(store::Database& database, std::string_view session, std::int64_t until_s, Now now) {
  const auto rows =
      database.run("SELECT id FROM grants WHERE session = $1 AND revoked_s IS NULL", {std::string(session)});
  if (!rows) return std::unexpected(rows.error());
  for (const store::Row& row : *rows) {
    const auto done = revoke_grant(database, store::text_of(row[0]), until_s, now);
    if (!done) return done;
  }
  return {};
}

Result<void> revoke_subject(store::Database& database, std::string_view subject, std::int64_t until_s, Now now) {
  const auto ended = database.run("UPDATE grants SET revoked_s = $2 WHERE subject = $1 AND revoked_s IS NULL",
                                  {std::string(subject), now.wall_s()});
  if (!ended) return std::unexpected(ended.error());
  // Whatever was issued up to and including this second.
  return add_revocation(database, "sub", subject, now.wall_s() + 1, until_s);
}

Result<std::shared_ptr<const RevocationFeed>> load_feed(store::Database& database, Now now) {
  const auto version = database.run("SELECT value FROM versions WHERE name = 'revocations'");
  if (!version) return std::unexpected(version.error());
  const auto epoch = database.run("SELECT value FROM facts WHERE name = 'epoch'");
  if (!epoch) return std::unexpected(epoch.error());
  const auto rows =
      database.run("SELECT kind, value, before_s, until_s FROM revocations WHERE until_s > $1", {now.wall_s()});
  if (!rows) return std::unexpected(rows.error());
  auto out = std::make_shared<RevocationFeed>();
  out->version = version->empty() ? 0 : store::number_of((*version)[0][0]);
  out->epoch = epoch->empty() ? std::string() : store::text_of((*epoch)[0][0]);
  for (const store::Row& row : *rows) {
    std::string line = cat("{\"", store::text_of(row[0]), "\":\"");
    append_json_escaped(line, store::text_of(row[1]));
    append(line, "\"");
    if (store::number_of(row[2]) > 0) append(line, ",\"before\":", store::number_of(row[2]));
    append(line, ",\"until\":", store::number_of(row[3]), "}\n");
    out->text += line;
  }
  auto list = auth::RevocationList::parse(out->text);
  if (!list) return std::unexpected(std::move(list.error()));
  out->list = std::move(*list);
  return out;
}

}  // namespace keepgate::oauth

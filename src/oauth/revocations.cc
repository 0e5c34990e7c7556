#include "oauth/revocations.h"

#include <algorithm>

#include "base/bytes.h"
#include "oauth/service.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t clock_room_s = 600;
constexpr std::int64_t kept_s = 86'400;  // Behind the end of an entry: the clock may be wrong for a while.
constexpr std::int64_t page_rows = 10'000;
// Entries that were widened stand in the log as often as that; then all is read anew.
constexpr std::size_t log_lines_max = static_cast<std::size_t>(revocations_max + revocations_max / 4);

Result<std::int64_t> number_in(store::Database& database, std::string_view statement) {
  const auto rows = database.run(statement);
  if (!rows) return std::unexpected(rows.error());
  return rows->empty() ? 0 : store::number_of((*rows)[0][0]);
}

// An error: there is none. Half of the list is for whoever comes; of the rest nobody has more than a share.
Result<void> find_room(store::Database& database, std::int64_t newest, std::string_view owner) {
  const auto oldest = number_in(database, "SELECT MIN(version) FROM revocations");
  if (!oldest) return std::unexpected(oldest.error());
  // Each entry has a version of its own: as long as all of them are within so many versions, nobody has to count.
  const std::int64_t at_most = newest - *oldest;
  if (!owner.empty() && at_most >= revocations_max / 2) {
    const auto rows = database.run("SELECT COUNT(*) FROM (SELECT 1 FROM revocations WHERE owner = $1 LIMIT $2) AS own",
                                   {std::string(owner), revocations_of_owner_max});
    if (!rows) return std::unexpected(rows.error());
    if (store::number_of((*rows)[0][0]) >= revocations_of_owner_max) {
      return store::store_unavailable("one subject has its share of the list of revocations", ErrorKind::limit);
    }
  }
  if (at_most < revocations_max) return {};
  const auto count = number_in(database, "SELECT COUNT(*) FROM revocations");
  if (!count) return std::unexpected(count.error());
  if (*count < revocations_max) return {};
  return store::store_unavailable("the list of revocations is full", ErrorKind::limit);
}

// Is an entry as wide as that already? Who takes the same back again and again adds nothing to the list.
bool covers(const store::Row& row, std::int64_t before_s, std::int64_t until_s) {
  const std::int64_t known_before_s = store::number_of(row[0]);
  const bool is_as_wide = known_before_s == 0 || (before_s != 0 && known_before_s >= before_s);
  return is_as_wide && store::number_of(row[1]) >= until_s;
}

// What ended before then may be left out: by the time of the sweeps, which no clock that jumps ahead for a moment moves
// far (service.cc). What was left out would never be read again.
Result<std::int64_t> forgotten_before_s(store::Database& database, Now now) {
  const auto rows = database.run("SELECT value FROM facts WHERE name = 'swept_until'");
  if (!rows) return std::unexpected(rows.error());
  const auto swept_s = rows->empty() ? std::nullopt : parse_unsigned<std::uint64_t>(store::text_of((*rows)[0][0]));
  return std::min(now.wall_s(), static_cast<std::int64_t>(swept_s.value_or(0))) - kept_s;
}

RevocationLog::Line line_of(const store::Row& row) {
  std::string text = cat("{\"", store::text_of(row[0]), "\":\"");
  append_json_escaped(text, store::text_of(row[1]));
  append(text, "\"");
  if (store::number_of(row[2]) > 0) append(text, ",\"before\":", store::number_of(row[2]));
  append(text, ",\"until\":", store::number_of(row[3]), "}\n");
  return {store::number_of(row[4]), std::move(text), store::number_of(row[3])};
}

// What came behind `from`, up to `to`.
Result<void> read_lines(store::Database& database, std::int64_t from, std::int64_t to, std::int64_t ended_s,
                        RevocationLog& log) {
  while (from < to) {
    const auto rows = database.run(
        "SELECT kind, value, before_s, until_s, version FROM revocations WHERE version > $1 AND version <= $2"
        " AND until_s > $3 ORDER BY version LIMIT $4",
        {from, to, ended_s, page_rows});
    if (!rows) return std::unexpected(rows.error());
    std::vector<RevocationLog::Line> lines;
    lines.reserve(rows->size());
    for (const store::Row& row : *rows) lines.push_back(line_of(row));
    log.add(lines);
    if (static_cast<std::int64_t>(rows->size()) < page_rows) break;
    from = lines.back().version;
  }
  return {};
}

}  // namespace

std::int64_t revoked_until_s(std::int64_t now_s) { return revoked_until_after_s(now_s + token_lifetime_s_max); }

std::int64_t revoked_until_after_s(std::int64_t expires_s) { return expires_s + clock_room_s; }

Result<void> add_revocation(store::Database& database, std::string_view kind, std::string_view value,
                            std::int64_t before_s, std::int64_t until_s, std::string_view owner) {
  const auto known = database.run("SELECT before_s, until_s FROM revocations WHERE kind = $1 AND value = $2",
                                  {std::string(kind), std::string(value)});
  if (!known) return std::unexpected(known.error());
  if (!known->empty() && covers((*known)[0], before_s, until_s)) return {};
  const auto version = database.run("UPDATE versions SET value = value + 1 WHERE name = 'revocations' RETURNING value");
  if (!version) return std::unexpected(version.error());
  if (known->empty()) {
    const auto room = find_room(database, store::number_of((*version)[0][0]), owner);
    if (!room) return room;
  }
  // before_s 0 is the widest there is.
  const auto added = database.run(
      "INSERT INTO revocations (kind, value, before_s, until_s, version, owner) VALUES ($1, $2, $3, $4, $5, $6)"
      " ON CONFLICT (kind, value) DO UPDATE SET version = excluded.version,"
      " before_s = CASE WHEN revocations.before_s = 0 OR excluded.before_s = 0 THEN 0"
      " WHEN revocations.before_s > excluded.before_s THEN revocations.before_s ELSE excluded.before_s END,"
      " until_s = CASE WHEN revocations.until_s > excluded.until_s THEN revocations.until_s"
      " ELSE excluded.until_s END",
      {std::string(kind), std::string(value), before_s, until_s, store::number_of((*version)[0][0]),
       std::string(owner)});
  if (!added) return std::unexpected(added.error());
  return {};
}

Result<void> revoke_lone_token(store::Database& database, std::string_view id, std::int64_t until_s,
                               std::string_view owner) {
  const Result<void> alone = add_revocation(database, "jti", id, 0, until_s, owner);
  return alone ? add_revocation(database, "grant", id, 0, until_s, owner) : alone;
}

Result<void> revoke_grant(store::Database& database, std::string_view grant, std::int64_t until_s, Now now,
                          Share share) {
  const auto marked =
      database.run("UPDATE grants SET revoked_s = $2 WHERE id = $1 AND revoked_s IS NULL RETURNING subject",
                   {std::string(grant), now.wall_s()});
  if (!marked) return std::unexpected(marked.error());
  if (marked->empty()) return {};  // It is gone, or was revoked before.
  // A grant whose code nobody has redeemed gave no tokens: there is nothing to tell anybody.
  const auto waiting =
      database.run("SELECT hash FROM codes WHERE grant_id = $1 AND used_s IS NULL", {std::string(grant)});
  if (!waiting) return std::unexpected(waiting.error());
  if (!waiting->empty()) return {};
  const std::string owner = share == Share::of_subject ? store::text_of((*marked)[0][0]) : std::string();
  return add_revocation(database, "grant", grant, 0, until_s, owner);
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

Result<std::shared_ptr<const RevocationFeed>> load_feed(store::Database& database, const RevocationFeed* before,
                                                        Now now) {
  const auto version = number_in(database, "SELECT value FROM versions WHERE name = 'revocations'");
  if (!version) return std::unexpected(version.error());
  const auto epoch = database.run("SELECT value FROM facts WHERE name = 'epoch'");
  if (!epoch) return std::unexpected(epoch.error());
  auto out = std::make_shared<RevocationFeed>();
  out->version = *version;
  out->epoch = epoch->empty() ? std::string() : store::text_of((*epoch)[0][0]);
  if (!database.history().empty()) append(out->epoch, "-", database.history());
  const bool goes_on = before && before->list && before->epoch == out->epoch && before->version <= out->version &&
                       before->log.size() <= log_lines_max &&
                       before->log.bytes() <= auth::RevocationList::file_bytes_max;
  const auto ended_s = forgotten_before_s(database, now);
  if (!ended_s) return std::unexpected(ended_s.error());
  const std::int64_t from = goes_on ? before->version : 0;
  if (goes_on) out->log = before->log;
  const auto read = read_lines(database, from, out->version, *ended_s, out->log);
  if (!read) return std::unexpected(read.error());
  const std::string text = out->log.behind(from);
  auto list =
      goes_on ? auth::RevocationList::extended(*before->list, text, *ended_s) : auth::RevocationList::parse(text);
  if (!list) return std::unexpected(std::move(list.error()));
  out->list = std::move(*list);
  out->log.forget(*ended_s);
  return out;
}

}  // namespace keepgate::oauth

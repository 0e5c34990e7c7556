#include "oauth/grant_records.h"

#include <array>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/json.h"
#include "crypto/random.h"
#include "oauth/revocations.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;
using store::number_of;
using store::text_of;

constexpr std::string_view grant_columns =
    "SELECT id, client, subject, scopes, audience, facts, bound_key, session, created_s, expires_s, revoked_s"
    " FROM grants WHERE id = $1";

// What only tokens tell, and no query asks for.
std::string write_facts(const GrantRecord& grant) {
  Json::Array methods;
  for (const std::string& one : grant.methods) methods.emplace_back(one);
  Json::Object out;
  out.emplace_back("amr", Json(std::move(methods)));
  out.emplace_back("auth_time", Json(grant.authenticated_s));
  return Json(std::move(out)).write();
}

void read_facts(std::string_view text, GrantRecord& grant) {
  const auto json = crypto::parse_json(text);
  if (!json) return;
  if (const Json* time = json->find("auth_time"); time && time->integer()) grant.authenticated_s = *time->integer();
  const Json* methods = json->find("amr");
  if (!methods || !methods->array()) return;
  for (const Json& one : *methods->array()) {
    if (one.string()) grant.methods.push_back(*one.string());
  }
}

GrantRecord grant_of(const store::Row& row) {
  GrantRecord out;
  out.id = text_of(row[0]);
  out.client = text_of(row[1]);
  out.subject = text_of(row[2]);
  out.scopes = split_words(text_of(row[3]));
  out.audience = text_of(row[4]);
  read_facts(text_of(row[5]), out);
  out.bound_key = text_of(row[6]);
  out.session = text_of(row[7]);
  out.created_s = number_of(row[8]);
  out.expires_s = number_of(row[9]);
  out.is_revoked = !store::is_null(row[10]);
  return out;
}

}  // namespace

std::string hash_of_token(std::string_view token) {
  const auto sum = crypto::sha256(token);
  return crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()});
}

std::string make_token(std::string_view kind) {
  std::array<unsigned char, 32> bytes{};
  crypto::random_bytes(bytes);
  return cat(kind, crypto::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& one : words) append(out, out.empty() ? "" : " ", one);
  return out;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    if (end != 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

Result<void> add_grant(store::Database& database, const GrantRecord& grant) {
  const auto done = database.run(
      "INSERT INTO grants (id, client, subject, scopes, audience, facts, bound_key, session, created_s, expires_s)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {grant.id, grant.client, grant.subject, joined(grant.scopes), grant.audience, write_facts(grant), grant.bound_key,
       grant.session, grant.created_s, grant.expires_s});
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<std::optional<GrantRecord>> find_grant(store::Database& database, std::string_view id) {
  const auto rows = database.run(grant_columns, {std::string(id)});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return std::nullopt;
  return grant_of(rows->front());
}

Result<void> bind_grant(store::Database& database, GrantRecord& grant, std::string_view key) {
  if (key.empty() || grant.bound_key == key) return {};
  const auto done = database.run("UPDATE grants SET bound_key = $2 WHERE id = $1", {grant.id, std::string(key)});
  if (!done) return std::unexpected(done.error());
  grant.bound_key = key;
  return {};
}

Result<void> add_code(store::Database& database, const CodeRecord& code) {
  const auto done = database.run(
      "INSERT INTO codes (hash, grant_id, redirect_uri, challenge, nonce, bound_key, expires_s)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {code.hash, code.grant, code.redirect_uri, code.challenge, code.nonce, code.bound_key, code.expires_s});
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<RedeemedCode> redeem_code(store::Database& database, const CodeUse& use, std::int64_t tokens_until_s, Now now) {
  RedeemedCode out;
  const std::string hash = hash_of_token(use.code);
  const auto rows = database.run(
      "SELECT grant_id, redirect_uri, challenge, nonce, bound_key, expires_s FROM codes WHERE hash = $1", {hash});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return out;
  const store::Row& code = rows->front();
  auto grant = find_grant(database, text_of(code[0]));
  if (!grant) return std::unexpected(grant.error());
  if (!*grant) return out;
  out.grant = std::move(**grant);
  if (out.grant.client != use.client) {
    out.what = Redeemed::not_yours;
    return out;
  }
  if (!use.audience.empty() && use.audience != out.grant.audience) {
    out.what = Redeemed::elsewhere;
    return out;
  }
  const auto won = database.run("UPDATE codes SET used_s = $2 WHERE hash = $1 AND used_s IS NULL RETURNING grant_id",
                                {hash, now.wall_s()});
  if (!won) return std::unexpected(won.error());
  if (won->empty()) {
    const auto revoked = revoke_grant(database, out.grant.id, tokens_until_s, now);
    if (!revoked) return std::unexpected(revoked.error());
    out.what = Redeemed::replayed;
    return out;
  }
  if (number_of(code[5]) <= now.wall_s()) return out;
  out.nonce = text_of(code[3]);
  const std::string bound_key = text_of(code[4]);
  const bool fits = text_of(code[1]) == use.redirect_uri &&
                    crypto::equal_constant_time(text_of(code[2]), use.challenge) &&
                    (bound_key.empty() || bound_key == use.bound_key);
  out.what = out.grant.is_revoked ? Redeemed::revoked : fits ? Redeemed::good : Redeemed::misfits;
  if (out.what != Redeemed::good) return out;
  out.grant.expires_s = use.grant_expires_s;
  const auto lives =
      database.run("UPDATE grants SET expires_s = $2 WHERE id = $1", {out.grant.id, use.grant_expires_s});
  if (!lives) return std::unexpected(lives.error());
  if (!use.binds_grant) return out;
  const auto bound = bind_grant(database, out.grant, use.bound_key);
  if (!bound) return std::unexpected(bound.error());
  return out;
}

Result<void> add_refresh_token(store::Database& database, std::string_view token, const GrantRecord& grant,
                               std::int64_t lifetime_s, Now now) {
  const std::int64_t expires_s = std::min(now.wall_s() + lifetime_s, grant.expires_s);
  const auto done = database.run(
      "INSERT INTO refresh_tokens (hash, grant_id, created_s, expires_s) VALUES ($1, $2, $3, $4)"
      " ON CONFLICT (hash) DO NOTHING",
      {hash_of_token(token), grant.id, now.wall_s(), expires_s});
  if (!done) return std::unexpected(done.error());
  return {};
}

namespace {

// Nobody has used the successor: whoever lost the answer may have it once more.
Result<bool> is_within_grace(store::Database& database, const RefreshUse& use, std::int64_t used_s, Now now) {
  if (use.grace_s <= 0 || now.wall_s() > used_s + use.grace_s || now.wall_s() < used_s) return false;
  const auto successor = database.run("SELECT hash FROM refresh_tokens WHERE hash = $1 AND used_s IS NULL",
                                      {hash_of_token(use.successor)});
  if (!successor) return std::unexpected(successor.error());
  return !successor->empty();
}

}  // namespace

Result<Refreshed> rotate_refresh_token(store::Database& database, const RefreshUse& use, Now now) {
  Refreshed out;
  const std::string hash = hash_of_token(use.token);
  const auto rows = database.run("SELECT grant_id, expires_s, used_s FROM refresh_tokens WHERE hash = $1", {hash});
  if (!rows) return std::unexpected(rows.error());
  const bool is_kept = !rows->empty();
  if (!is_kept && use.family.empty()) return out;
  auto grant = find_grant(database, is_kept ? text_of(rows->front()[0]) : use.family);
  if (!grant) return std::unexpected(grant.error());
  if (!*grant) return out;
  out.grant = std::move(**grant);
  const auto ends = [&out](Redeemed what) {
    out.what = what;
    return out;
  };
  if (out.grant.client != use.client) return ends(Redeemed::not_yours);
  if (out.grant.is_revoked) return ends(Redeemed::revoked);
  if (out.grant.expires_s <= now.wall_s()) return ends(Redeemed::unknown);
  if (is_kept && number_of(rows->front()[1]) <= now.wall_s()) return ends(Redeemed::unknown);
  // Before it is used up: who has not the key must not be able to end the family of who has.
  if (!out.grant.bound_key.empty() && out.grant.bound_key != use.bound_key) return ends(Redeemed::misfits);
  const auto won =
      database.run("UPDATE refresh_tokens SET used_s = $2 WHERE hash = $1 AND used_s IS NULL RETURNING grant_id",
                   {hash, now.wall_s()});
  if (!won) return std::unexpected(won.error());
  if (won->empty()) {
    const auto in_grace = is_kept ? is_within_grace(database, use, number_of(rows->front()[2]), now) : false;
    if (!in_grace) return std::unexpected(in_grace.error());
    if (*in_grace) return ends(Redeemed::good);
    const auto revoked = revoke_grant(database, out.grant.id, use.tokens_until_s, now);
    if (!revoked) return std::unexpected(revoked.error());
    return ends(Redeemed::replayed);
  }
  const auto added = add_refresh_token(database, use.successor, out.grant, use.lifetime_s, now);
  if (!added) return std::unexpected(added.error());
  if (use.family.empty()) return ends(Redeemed::good);
  const auto forgotten = database.run("DELETE FROM refresh_tokens WHERE grant_id = $1 AND used_s < $2",
                                      {out.grant.id, now.wall_s() - std::max<std::int64_t>(use.grace_s, 0)});
  if (!forgotten) return std::unexpected(forgotten.error());
  return ends(Redeemed::good);
}

Result<std::optional<GrantRecord>> find_family(store::Database& database, std::string_view token,
                                               std::string_view family) {
  const auto rows = database.run("SELECT grant_id FROM refresh_tokens WHERE hash = $1", {hash_of_token(token)});
  if (!rows) return std::unexpected(rows.error());
  if (!rows->empty()) return find_grant(database, text_of(rows->front()[0]));
  if (family.empty()) return std::nullopt;
  return find_grant(database, family);
}

Result<std::optional<RefreshFacts>> find_refresh_token(store::Database& database, std::string_view token, Now now) {
  const auto rows =
      database.run("SELECT grant_id, created_s, expires_s FROM refresh_tokens WHERE hash = $1 AND used_s IS NULL",
                   {hash_of_token(token)});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty() || number_of(rows->front()[2]) <= now.wall_s()) return std::nullopt;
  auto grant = find_grant(database, text_of(rows->front()[0]));
  if (!grant) return std::unexpected(grant.error());
  if (!*grant || (*grant)->is_revoked || (*grant)->expires_s <= now.wall_s()) return std::nullopt;
  return RefreshFacts{std::move(**grant), number_of(rows->front()[1]), number_of(rows->front()[2])};
}

Result<bool> use_once(store::Database& database, std::string_view id, std::int64_t expires_s) {
  const auto added =
      database.run("INSERT INTO replays (id, expires_s) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id",
                   {std::string(id), expires_s});
  if (!added) return std::unexpected(added.error());
  return !added->empty();
}

}  // namespace keepgate::oauth

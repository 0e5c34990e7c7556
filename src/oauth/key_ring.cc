#include "oauth/key_ring.h"

#include <algorithm>
#include <iterator>

#include "base/bytes.h"
#include "crypto/jws.h"
#include "crypto/seal.h"
#include "crypto/signature.h"
#include "oauth/revocations.h"
#include "oauth/settings.h"
#include "store/key_file.h"

namespace keepgate::oauth {

namespace {

// How long after its last signature a key is published: the longest token of any client, and clocks that differ.
constexpr std::int64_t published_margin_s = 300;

constexpr std::int64_t published_after_s = token_lifetime_s_max + published_margin_s;

Result<void> add_key(store::Database& database, const Settings& settings, const crypto::SecretText& wrapping_key,
                     std::int64_t from_s, Now now) {
  const auto type = crypto::key_type_for(settings.signing_algorithm);
  std::string jwk = type ? crypto::generate_jwk(*type, settings.signing_algorithm) : std::string();
  const auto key = crypto::parse_jwk(jwk);
  if (!key) return fail(ErrorKind::internal, Blame::us, "bad_keys", "no signing key could be made");
  const std::string id = (*key)->id();
  const std::string wrapped = crypto::seal(wrapping_key.view(), jwk, cat("signing_key ", id));
  crypto::wipe(jwk.data(), jwk.size());
  const auto added = database.run(
      "INSERT INTO signing_keys (kid, algorithm, wrapped, created_s, signs_from_s, signs_until_s)"
      " VALUES ($1, $2, $3, $4, $5, $6)",
      {id, std::string(crypto::name_of(settings.signing_algorithm)), wrapped, now.wall_s(), from_s,
       from_s + settings.key_rotation_s});
  if (!added) return std::unexpected(added.error());
  return {};
}

// Of a key that we made ourselves: its id needs no escaping, and its algorithm fits.
std::string header_of(const crypto::Key& key, std::string_view type) {
  const std::string json =
      cat(R"({"alg":")", crypto::name_of(key.algorithm()), R"(","typ":")", type, R"(","kid":")", key.id(), "\"}");
  return crypto::encode_jws_header(json, key).value_or("");
}

std::shared_ptr<const crypto::KeySet> verification_set(const std::vector<SigningKey>& keys) {
  auto out = std::make_shared<crypto::KeySet>();
  for (const SigningKey& one : keys) out->keys.push_back(one.key);
  return out;
}

}  // namespace

KeyRing::KeyRing(std::vector<SigningKey> keys, crypto::Algorithm algorithm)
    : keys_(std::move(keys)), algorithm_(algorithm) {
  std::ranges::sort(keys_, {}, &SigningKey::signs_from_s);
  for (SigningKey& one : keys_) {
    one.access_token_header = header_of(*one.key, access_token_type);
    one.id_token_header = header_of(*one.key, id_token_type);
  }
  verification_ = verification_set(keys_);
  jwks_ = R"({"keys":[)";
  for (const SigningKey& one : keys_) append(jwks_, &one == keys_.data() ? "" : ",", one.public_jwk);
  jwks_ += "]}";
}

const SigningKey* KeyRing::current(Now now) const {
  const SigningKey* found = nullptr;
  for (const SigningKey& one : keys_) {
    if (one.key->algorithm() != algorithm_) continue;
    if (!found || one.signs_from_s <= now.wall_s()) found = &one;
  }
  return found;
}

Result<crypto::SecretText> wrapping_key_of(store::Transactor& store, const std::string& path) {
  bool wraps = false;
  // Before the file is looked for: another program that begins makes the file first, and then what it wraps.
  const auto looked = store.run([&wraps](store::Database& database) -> Result<void> {
    const auto wrapped =
        database.run("SELECT 1 FROM signing_keys UNION ALL SELECT 1 FROM users WHERE totp_sealed IS NOT NULL LIMIT 1");
    if (!wrapped) return std::unexpected(wrapped.error());
    wraps = !wrapped->empty();
    return {};
  });
  if (!looked) return std::unexpected(looked.error());
  return store::load_store_key(path, wraps);
}

Result<void> maintain_keys(store::Database& database, const Settings& settings, const crypto::SecretText& wrapping_key,
                           Now now, std::int64_t forget_s) {
  const auto gone = database.run("DELETE FROM signing_keys WHERE signs_until_s < $1", {forget_s - published_after_s});
  if (!gone) return std::unexpected(gone.error());
  const auto rows = database.run(
      "SELECT signs_from_s, signs_until_s FROM signing_keys WHERE algorithm = $1 AND signs_until_s > $2"
      " ORDER BY signs_from_s",
      {std::string(crypto::name_of(settings.signing_algorithm)), now.wall_s()});
  if (!rows) return std::unexpected(rows.error());
  const auto has_begun = [&](const store::Row& row) { return store::number_of(row[0]) <= now.wall_s(); };
  const auto current = std::ranges::find_if(*rows, has_begun);
  std::int64_t until_s = now.wall_s() + settings.key_rotation_s;
  if (current == rows->end()) {
    const auto added = add_key(database, settings, wrapping_key, now.wall_s(), now);
    if (!added) return added;
  } else {
    until_s = store::number_of((*current)[1]);
  }
  if (std::ranges::any_of(*rows, [&](const store::Row& row) { return !has_begun(row); })) return {};
  return add_key(database, settings, wrapping_key, until_s, now);
}

Result<bool> retire_key(store::Database& database, const Settings& settings, const crypto::SecretText& wrapping_key,
                        std::string_view key_id, Now now) {
  const Result<void> listed = add_revocation(database, "kid", key_id, 0, now.wall_s() + stolen_key_s);
  if (!listed) return std::unexpected(listed.error());
  const auto gone = database.run("DELETE FROM signing_keys WHERE kid = $1 RETURNING algorithm", {std::string(key_id)});
  if (!gone) return std::unexpected(gone.error());
  if (gone->empty()) return false;
  const std::string algorithm = store::text_of(gone->front()[0]);
  const auto signing =
      database.run("SELECT kid FROM signing_keys WHERE algorithm = $1 AND signs_from_s <= $2 AND signs_until_s > $2",
                   {algorithm, now.wall_s()});
  if (!signing) return std::unexpected(signing.error());
  if (signing->empty()) {
    const auto begun = database.run(
        "UPDATE signing_keys SET signs_from_s = $2, signs_until_s = $3 WHERE kid ="
        " (SELECT kid FROM signing_keys WHERE algorithm = $1 AND signs_from_s > $2 ORDER BY signs_from_s LIMIT 1)",
        {algorithm, now.wall_s(), now.wall_s() + settings.key_rotation_s});
    if (!begun) return std::unexpected(begun.error());
  }
  if (const Result<void> kept = maintain_keys(database, settings, wrapping_key, now, 0); !kept) {
    return std::unexpected(kept.error());
  }
  // Running servers look after this version. A store that was made before has no row of it.
  const auto told = database.run(
      "INSERT INTO versions (name, value) VALUES ('keys', 1)"
      " ON CONFLICT (name) DO UPDATE SET value = versions.value + 1");
  if (!told) return std::unexpected(told.error());
  return true;
}

Result<std::shared_ptr<const KeyRing>> load_keys(store::Database& database, const Settings& settings,
                                                 const crypto::SecretText& wrapping_key) {
  const auto rows = database.run("SELECT kid, wrapped, signs_from_s, signs_until_s FROM signing_keys", {});
  if (!rows) return std::unexpected(rows.error());
  std::vector<SigningKey> keys;
  for (const store::Row& row : *rows) {
    const std::string id = store::text_of(row[0]);
    auto jwk = crypto::open_sealed(wrapping_key.view(), store::text_of(row[1]), cat("signing_key ", id));
    if (!jwk) {
      return fail(ErrorKind::configuration, Blame::configuration, "bad_keys",
                  cat("the signing key '", printable(id), "' cannot be unwrapped: is this the store's own key file?"));
    }
    auto key = crypto::parse_jwk(jwk->view());
    auto shown = crypto::public_jwk(jwk->view());
    if (!key || !shown) {
      return fail(ErrorKind::configuration, Blame::configuration, "bad_keys",
                  cat("the signing key '", printable(id), "' cannot be read"));
    }
    keys.push_back({*key, *shown, store::number_of(row[2]), store::number_of(row[3])});
  }
  return std::make_shared<const KeyRing>(std::move(keys), settings.signing_algorithm);
}

}  // namespace keepgate::oauth

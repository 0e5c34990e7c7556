#include "oauth/stored_clients.h"

#include <utility>

#include "base/bytes.h"
#include "oauth/revocations.h"

namespace keepgate::oauth {

namespace {

StoredClient stored_client_of(const store::Row& row) {
  StoredClient out;
  out.id = store::text_of(row[0]);
  out.created_s = store::number_of(row[2]);
  out.changed_s = store::number_of(row[3]);
  Result<Client> client = read_client(store::text_of(row[1]));
  if (!client) {
    out.fault = client.error().detail;
  } else if (client->id != out.id) {
    out.fault = "it names another client";
  } else {
    out.client = std::move(*client);
  }
  return out;
}

// Rows that a statement with RETURNING changed: was there any? Then the version of the clients counts up; this one.
Result<std::optional<std::int64_t>> counted(store::Database& database, const Result<store::Rows>& changed) {
  if (!changed) return std::unexpected(changed.error());
  if (changed->empty()) return std::nullopt;
  const auto version = database.run("UPDATE versions SET value = value + 1 WHERE name = 'clients' RETURNING value");
  if (!version) return std::unexpected(version.error());
  return store::number_of((*version)[0][0]);
}

// The client gets the version, so that the running server reads it and no other.
Result<bool> marked(store::Database& database, const std::string& id, const Result<store::Rows>& changed) {
  const auto version = counted(database, changed);
  if (!version) return std::unexpected(version.error());
  if (!*version) return false;
  const auto done = database.run("UPDATE clients SET version = $2 WHERE id = $1", {id, **version});
  if (!done) return std::unexpected(done.error());
  return true;
}

// That it is gone is kept as long as a server may not have seen it, and in bounds.
Result<void> note_removed(store::Database& database, const std::string& id, std::int64_t version) {
  const auto noted = database.run(
      "INSERT INTO removed_clients (id, version) VALUES ($1, $2)"
      " ON CONFLICT (id) DO UPDATE SET version = excluded.version",
      {id, version});
  if (!noted) return std::unexpected(noted.error());
  const auto forgotten =
      database.run("DELETE FROM removed_clients WHERE version <= $1", {version - removed_clients_max});
  if (!forgotten) return std::unexpected(forgotten.error());
  return {};
}

}  // namespace

Result<std::vector<StoredClient>> all_stored_clients(store::Database& database) {
  const auto rows = database.run("SELECT id, document, created_s, changed_s FROM clients ORDER BY id");
  if (!rows) return std::unexpected(rows.error());
  std::vector<StoredClient> out;
  for (const store::Row& row : *rows) out.push_back(stored_client_of(row));
  return out;
}

Result<std::optional<StoredClient>> find_stored_client(store::Database& database, std::string_view id) {
  const auto rows =
      database.run("SELECT id, document, created_s, changed_s FROM clients WHERE id = $1", {std::string(id)});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return std::nullopt;
  return stored_client_of(rows->front());
}

Result<bool> add_client(store::Database& database, const Client& client, Now now) {
  KG_ASSERT(fault_of(client).empty());
  const auto count = database.run("SELECT COUNT(*) FROM clients");
  if (!count) return std::unexpected(count.error());
  if (store::number_of((*count)[0][0]) >= stored_clients_max) return false;
  return marked(database, client.id,
                database.run("INSERT INTO clients (id, document, created_s, changed_s) VALUES"
                             " ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING RETURNING id",
                             {client.id, write_client(client), now.wall_s(), now.wall_s()}));
}

Result<bool> change_client(store::Database& database, const Client& client, Now now) {
  KG_ASSERT(fault_of(client).empty());
  return marked(database, client.id,
                database.run("UPDATE clients SET document = $2, changed_s = $3 WHERE id = $1 RETURNING id",
                             {client.id, write_client(client), now.wall_s()}));
}

Result<bool> remove_client(store::Database& database, std::string_view id, std::int64_t until_s, Now now) {
  const std::string key(id);
  const auto removed = counted(database, database.run("DELETE FROM clients WHERE id = $1 RETURNING id", {key}));
  if (!removed) return std::unexpected(removed.error());
  if (!*removed) return false;
  const auto noted = note_removed(database, key, **removed);
  if (!noted) return std::unexpected(noted.error());
  const auto consents = database.run("DELETE FROM consents WHERE client = $1", {key});
  if (!consents) return std::unexpected(consents.error());
  if (const Result<void> done = revoke_client(database, id, until_s, now); !done) return std::unexpected(done.error());
  return true;
}

Result<void> revoke_client(store::Database& database, std::string_view id, std::int64_t until_s, Now now) {
  const auto ended = database.run(
      "UPDATE grants SET revoked_s = $2 WHERE client = $1 AND revoked_s IS NULL AND expires_s > $2"
      " RETURNING id",
      {std::string(id), now.wall_s()});
  if (!ended) return std::unexpected(ended.error());
  // What others exchanged from this client's tokens has its grant, and another client's name.
  for (const store::Row& row : *ended) {
    const auto added = add_revocation(database, "grant", store::text_of(row[0]), 0, until_s);
    if (!added) return added;
  }
  // What was exchanged from a token of its own has no grant of the store, but still speaks of the client.
  const auto own = add_revocation(database, "sub", cat("client:", id), now.wall_s() + 1, until_s);
  if (!own) return own;
  // Whatever was issued up to and including this second.
  return add_revocation(database, "client", id, now.wall_s() + 1, until_s);
}

}  // namespace keepgate::oauth

#include "oauth/client_directory.h"

#include <functional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "oauth/stored_clients.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t clients_page_rows = 5'000;

std::size_t part_of_key(const std::string& key) { return std::hash<std::string>()(key) % ClientDirectory::parts_max; }

// Parts that are copied once before they are changed.
template <typename T, typename Parts>
class PartsInChange {
 public:
  explicit PartsInChange(Parts& parts) : parts_(parts), ours_(parts.size()) {}
  std::unordered_map<std::string, T>& of(const std::string& key) {
    const std::size_t at = part_of_key(key);
    if (!ours_[at]) {
      ours_[at] = parts_[at] ? std::make_shared<std::unordered_map<std::string, T>>(*parts_[at])
                             : std::make_shared<std::unordered_map<std::string, T>>();
      parts_[at] = ours_[at];
    }
    return *ours_[at];
  }

 private:
  Parts& parts_;
  std::vector<std::shared_ptr<std::unordered_map<std::string, T>>> ours_;
};

ClientChange change_of(const store::Row& row) {
  ClientChange out{store::text_of(row[0]), nullptr};
  auto client = read_client(store::text_of(row[1]));
  if (!client || client->id != out.id) {
    log(LogLevel::error, "client '", printable(out.id), "' of the store cannot be used: ",
        client ? std::string_view("it names another client") : std::string_view(client.error().detail));
  } else {
    out.client = std::make_shared<const Client>(std::move(*client));
  }
  return out;
}

// All pages are one change: parts are copied once.
using ClientChanges = std::vector<ClientChange>;

Result<void> read_page(const Result<store::Rows>& rows, ClientChanges& changes) {
  if (!rows) return std::unexpected(rows.error());
  for (const store::Row& row : *rows) changes.push_back(change_of(row));
  return {};
}

// Those of a store from before versions were counted have none: a whole reading goes by their ids, in the order of the
// database, whichever that is.
Result<void> read_all(store::Database& database, ClientChanges& changes) {
  std::string last;
  while (true) {
    const auto rows =
        database.run("SELECT id, document FROM clients WHERE id > $1 ORDER BY id LIMIT $2", {last, clients_page_rows});
    if (const Result<void> done = read_page(rows, changes); !done) return done;
    if (static_cast<std::int64_t>(rows->size()) < clients_page_rows) return {};
    last = store::text_of(rows->back()[0]);
  }
}

// INVARIANT: no two clients have the same version, but for 0.
Result<void> read_changed(store::Database& database, std::int64_t from, ClientChanges& changes) {
  while (true) {
    const auto rows =
        database.run("SELECT id, document, version FROM clients WHERE version > $1 ORDER BY version LIMIT $2",
                     {from, clients_page_rows});
    if (const Result<void> done = read_page(rows, changes); !done) return done;
    if (static_cast<std::int64_t>(rows->size()) < clients_page_rows) return {};
    from = store::number_of(rows->back()[2]);
  }
}

Result<void> read_removed(store::Database& database, std::int64_t from, ClientChanges& changes) {
  const auto rows = database.run("SELECT id FROM removed_clients WHERE version > $1", {from});
  if (!rows) return std::unexpected(rows.error());
  for (const store::Row& row : *rows) changes.push_back({store::text_of(row[0]), nullptr});
  return {};
}

}  // namespace

void ClientDirectory::change(std::span<const ClientChange> changes) {
  PartsInChange<std::shared_ptr<const Client>, Parts<std::shared_ptr<const Client>>> clients(clients_);
  PartsInChange<std::uint32_t, Parts<std::uint32_t>> origins(origins_);
  for (const ClientChange& one : changes) {
    auto& part = clients.of(one.id);
    const auto there = part.find(one.id);
    OriginSet gone, come;
    if (there != part.end()) add_origins(*there->second, gone);
    if (one.client) add_origins(*one.client, come);
    for (const std::string& origin : come) ++origins.of(origin)[origin];
    for (const std::string& origin : gone) {
      auto& counts = origins.of(origin);
      if (--counts[origin] == 0) counts.erase(origin);
    }
    if (there != part.end() && !one.client) {
      part.erase(there);
      --size_;
    } else if (one.client) {
      if (there == part.end()) ++size_;
      part[one.id] = one.client;
    }
  }
}

std::shared_ptr<const Client> ClientDirectory::find(const std::string& id) const {
  const auto& part = clients_[part_of_key(id)];
  if (!part) return nullptr;
  const auto found = part->find(id);
  return found == part->end() ? nullptr : found->second;
}

bool ClientDirectory::has_origin(const std::string& origin) const {
  const auto& part = origins_[part_of_key(origin)];
  return part && part->contains(origin);
}

Result<std::shared_ptr<const ClientDirectory>> load_clients(store::Database& database, const ClientDirectory* before) {
  const auto version = database.run("SELECT value FROM versions WHERE name = 'clients'");
  if (!version) return std::unexpected(version.error());
  const std::int64_t newest = version->empty() ? 0 : store::number_of(version->front()[0]);
  // Of what was removed longer ago nothing is known any more.
  const bool goes_on = before && before->version <= newest && newest - before->version < removed_clients_max;
  auto out = goes_on ? std::make_shared<ClientDirectory>(*before) : std::make_shared<ClientDirectory>();
  // What was removed comes first: whoever was made again behind it is there.
  ClientChanges changes;
  const auto removed = goes_on ? read_removed(database, before->version, changes) : Result<void>();
  if (!removed) return std::unexpected(removed.error());
  const auto read = goes_on ? read_changed(database, before->version, changes) : read_all(database, changes);
  if (!read) return std::unexpected(read.error());
  out->change(changes);
  out->version = newest;
  return out;
}

}  // namespace keepgate::oauth

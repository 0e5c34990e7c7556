// Clients of the store: made, changed and taken away by an operator; the running server sees it a moment later.
//
// Thread rule: for jobs on the store's thread. Every change counts the version of the clients up in its transaction,
// and leaves it where the change was (oauth/client_directory.h).
// Bounds: stored_clients_max.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "oauth/client.h"
#include "store/database.h"

namespace keepgate::oauth {

inline constexpr std::int64_t stored_clients_max = 100'000;  // All of them are in the server's memory.
inline constexpr std::int64_t removed_clients_max = 10'000;  // So many changes ago: then a server reads all anew.

struct StoredClient {
  std::string id;
  std::optional<Client> client;  // Nothing: its document cannot be used, and so the server has no such client.
  std::string fault;             // Why not.
  std::int64_t created_s = 0, changed_s = 0;
};

Result<std::vector<StoredClient>> all_stored_clients(store::Database& database);  // By id.
Result<std::optional<StoredClient>> find_stored_client(store::Database& database, std::string_view id);

// false: there is one of this id already, or too many. INVARIANT: the client has no fault.
Result<bool> add_client(store::Database& database, const Client& client, Now now);
// false: there is none of this id.
Result<bool> change_client(store::Database& database, const Client& client, Now now);
// With its consents; its tokens and grants are taken back. false: there was none.
Result<bool> remove_client(store::Database& database, std::string_view id, std::int64_t until_s, Now now);

// What was issued to it up to now, and its grants: a client that is there goes on with new ones.
Result<void> revoke_client(store::Database& database, std::string_view id, std::int64_t until_s, Now now);

}  // namespace keepgate::oauth

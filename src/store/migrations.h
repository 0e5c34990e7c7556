// Migrations: brings the tables of a store to what this program expects, each step once and whole.
//
// Thread rule: the caller's, which owns the connection. What was done is kept in the table store_migrations.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace keepgate::store {

class Connection;

// Numbers are 1, 2, 3 …; what was released once is never changed, and its name tells it from a step of other origin.
struct Migration {
  int number = 0;
  std::string_view name;
  std::span<const std::string_view> statements;  // In one transaction, together with the record of it.
};

// Runs what is missing. Error{refused, configuration, "store_newer"}: another program has gone further than ours knows,
// or another way.
Result<void> migrate(Connection& connection, std::span<const Migration> migrations);

// Of a store that is opened again: is it still at our state? It changes nothing. store_unavailable if not.
Result<void> check_migrated(Connection& connection, std::span<const Migration> migrations);

}  // namespace keepgate::store

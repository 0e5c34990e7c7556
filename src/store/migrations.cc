#include "store/migrations.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "store/connection.h"

namespace keepgate::store {

namespace {

constexpr std::string_view make_migrations_table =
    "CREATE TABLE IF NOT EXISTS store_migrations("
    "number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, done_s BIGINT NOT NULL)";
constexpr std::string_view select_migrations = "SELECT number, name FROM store_migrations ORDER BY number";

std::unexpected<Error> store_newer(std::string detail) {
  return fail(ErrorKind::refused, Blame::configuration, "store_newer", std::move(detail));
}

// How many of `migrations` are done.
Result<std::size_t> count_done(Connection& connection, std::span<const Migration> migrations) {
  const Result<Rows> rows = connection.run(select_migrations);
  if (!rows) return std::unexpected(rows.error());
  if (rows->size() > migrations.size()) {
    return store_newer(cat("the store was made by a newer Keepgate: its schema has number ", number_of(rows->back()[0]),
                           ", this program knows ", migrations.size(), ". Start the newer program, or another store"));
  }
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const Row& row = (*rows)[i];
    if (number_of(row[0]) != migrations[i].number || text_of(row[1]) != migrations[i].name) {
      return store_newer(cat("the store was made by another program: step ", number_of(row[0]), " of its schema is '",
                             printable(text_of(row[1])), "', not '", migrations[i].name, "'"));
    }
  }
  return rows->size();
}

Result<void> run_migration(Connection& connection, const Migration& migration) {
  for (const std::string_view sql : migration.statements) {
    if (const Result<Rows> ran = connection.run(sql); !ran) return std::unexpected(ran.error());
  }
  const Result<Rows> noted =
      connection.run("INSERT INTO store_migrations(number, name, done_s) VALUES($1, $2, $3)",
                     {std::int64_t{migration.number}, std::string(migration.name), Now::read().wall_s()});
  if (!noted) return std::unexpected(noted.error());
  return {};
}

Result<void> commit_migration(Connection& connection) {
  std::string why;
  if (connection.commit(why) == CommitOutcome::done) return {};
  return store_unavailable(why.empty() ? "somebody else works on the schema" : why);
}

// One step in a transaction of its own. true: there was none left.
Result<bool> migrate_once(Connection& connection, std::span<const Migration> migrations) {
  if (Result<void> began = connection.begin(false); !began) return std::unexpected(std::move(began.error()));
  Result<void> outcome;
  bool is_over = false;
  if (const Result<Rows> made = connection.run(make_migrations_table); !made) outcome = std::unexpected(made.error());
  if (outcome) {
    const Result<std::size_t> done = count_done(connection, migrations);
    if (!done) {
      outcome = std::unexpected(done.error());
    } else if (*done == migrations.size()) {
      is_over = true;
    } else {
      outcome = run_migration(connection, migrations[*done]);
      if (!outcome) outcome.error().detail = cat("step '", migrations[*done].name, "': ", outcome.error().detail);
    }
  }
  if (outcome) outcome = commit_migration(connection);
  if (!outcome) {
    connection.rollback();
    return std::unexpected(std::move(outcome.error()));
  }
  return is_over;
}

}  // namespace

Result<void> migrate(Connection& connection, std::span<const Migration> migrations) {
  for (std::size_t i = 0; i < migrations.size(); ++i) KG_ASSERT(migrations[i].number == static_cast<int>(i) + 1);
  if (Result<void> locked = connection.lock_migrations(); !locked) return locked;
  Result<bool> is_over = false;
  while (is_over && !*is_over) is_over = migrate_once(connection, migrations);
  connection.unlock_migrations();
  if (!is_over) return std::unexpected(std::move(is_over.error()));
  return {};
}

Result<void> check_migrated(Connection& connection, std::span<const Migration> migrations) {
  if (Result<void> began = connection.begin(true); !began) return began;
  const Result<std::size_t> done = count_done(connection, migrations);
  connection.rollback();
  if (!done) return store_unavailable(done.error().detail);
  if (*done != migrations.size()) return store_unavailable("the schema of the store is not the one it was");
  return {};
}

}  // namespace keepgate::store

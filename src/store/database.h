// Database: statements against the store, one text for SQLite and PostgreSQL; and the address of a store.
//
// Thread rule: a Database belongs to one thread (the transactor's). Lifetime: what a job is given is good for that
// call. Bounds: value_bytes_max for one value, rows_max rows for one answer, values_max values for one statement.
//
// What both understand: TEXT and BIGINT columns, INSERT … ON CONFLICT, UPDATE/DELETE … RETURNING, LIMIT, COUNT. Numbers
// are bound as 64-bit, text as text, and compared with nothing else. Bytes are kept as base64url text. Texts are in
// another order in each: ORDER BY numbers, or do not rely on it. `LIKE` treats upper and lower case differently in the
// two, and so do `||` of numbers and integer division of negatives: do without.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace keepgate::store {

using Value = std::variant<std::monostate, std::int64_t, std::string>;  // NULL, a number, UTF-8 text without NUL.
using Row = std::vector<Value>;
using Rows = std::vector<Row>;

inline constexpr std::size_t value_bytes_max = std::size_t{2} << 20;
inline constexpr std::size_t rows_max = 1'000'000;
inline constexpr std::size_t values_max = 32;

inline bool is_null(const Value& value) { return std::holds_alternative<std::monostate>(value); }
// The empty text, 0: for NULL and for the other kind.
std::string text_of(const Value& value);
std::int64_t number_of(const Value& value);
// Text, NULL if empty.
Value text_or_null(std::string_view text);

class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  virtual ~Database() = default;

  // One statement with $1, $2 … for `values`; prepared once per text and kept. What it returns, or no rows. Errors:
  //   store_unavailable (ErrorKind::io or unreachable; Retry::always)  connection lost, disk full, I/O, busy for too
  //   long store_conflict    (ErrorKind::refused)                           a UNIQUE or another constraint store_broken
  //   (ErrorKind::internal)                          a bug, a schema that does not fit, a value that no
  //                                                                    text column takes (NUL, no UTF-8, too long)
  // After a failed statement the job has failed: its later statements fail too, and what it wrote is undone, whatever
  // it says. To go on behind a conflict say ON CONFLICT DO NOTHING and look at the rows of RETURNING.
  virtual Result<Rows> run(std::string_view sql, std::span<const Value> values) = 0;
  Result<Rows> run(std::string_view sql, std::initializer_list<Value> values) {
    return run(sql, std::span(values.begin(), values.size()));
  }
  Result<Rows> run(std::string_view sql) { return run(sql, std::span<const Value>()); }

  // Another text says that what was read before may never have happened: a standby that had not all of it has taken
  // over. "" where that is not known, and always of a file.
  virtual std::string_view history() const { return {}; }
};

// Whether an error is the store's trouble and not the asker's: 503 and Retry-After.
bool is_unavailable(const Error& error);
std::unexpected<Error> store_unavailable(std::string detail, ErrorKind kind = ErrorKind::io);
std::unexpected<Error> store_conflict(std::string detail);
std::unexpected<Error> store_broken(std::string detail);

enum class StoreKind : std::uint8_t { none = 0, sqlite, postgres };

struct StoreAddress {
  StoreKind kind = StoreKind::none;
  std::string file;   // Of SQLite.
  std::string uri;    // Of PostgreSQL. May hold a password: never for a message.
  std::string shown;  // For messages: without user, password and parameters.
  bool operator==(const StoreAddress&) const = default;
};

// "sqlite:FILE", "postgres://…" or "postgresql://…" (also "postgres:postgresql://…"). Error{malformed, configuration,
// "store_address"} that never shows what was given.
Result<StoreAddress> parse_store_address(std::string_view text);

}  // namespace keepgate::store

// Connection: what the transactor needs of a database beside statements: opening, transactions, changes of others.
//
// Private to this room. Thread rule: one thread. Lifetime: opened, lost and opened again as often as needed.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "store/database.h"

namespace keepgate::store {

// How long one may wait for the database, and for a lock in it.
inline constexpr int busy_ms_max = 5'000;

enum class Access : std::uint8_t { none = 0, create };  // create: a store that is not there yet is made.
enum class Opening : std::uint8_t { failed = 0, pending, open };

// What happened to the transaction beside the errors that its statements gave.
enum class Trouble : std::uint8_t {
  none = 0,
  again,   // It collided with another one: nothing of it counts, and the same jobs may work now.
  lost,    // The connection is gone, and nothing of it counts: the same jobs may work on another one.
  failed,  // The disk or the file fails: the connection is of no more use, and nothing of the transaction counts.
};

enum class CommitOutcome : std::uint8_t {
  failed = 0,  // Not known, or not on the disk. Nobody may be told that it is done, and it must not run again.
  again,       // Nothing of it counts: it may run again.
  done,
};

class Connection : public Database {
 public:
  using Database::run;

  // A step towards an open connection, at most about `wait_ms`. failed: `why` says it; the next call begins anew.
  virtual Opening open(Access access, int wait_ms, std::string& why) = 0;
  virtual bool is_open() const = 0;
  virtual void close() = 0;
  // Whether it is worth trying to open it for each transaction while it is out of reach: that takes no time.
  virtual bool opens_at_once() const { return false; }

  // A lock over whoever migrates the same store; outside a transaction.
  virtual Result<void> lock_migrations() { return {}; }
  virtual void unlock_migrations() {}

  virtual Result<void> begin(bool is_read_only) = 0;
  virtual CommitOutcome commit(std::string& why) = 0;
  virtual void rollback() = 0;
  // A job of a transaction begins, ends well, ends badly. false: there is trouble.
  virtual bool begin_job() = 0;
  virtual bool keep_job() = 0;
  virtual bool undo_job() = 0;
  virtual bool statement_failed() const = 0;  // Since begin_job().
  virtual Trouble trouble() const = 0;        // Since begin().
  virtual bool changed_rows() const = 0;      // Since begin().

  // Has anybody else committed since the last call? May say yes too often. false also when it is not open.
  virtual bool others_changed() = 0;
};

std::unique_ptr<Connection> make_sqlite_connection(const StoreAddress& address);
std::unique_ptr<Connection> make_postgres_connection(const StoreAddress& address);

// What no database may be given: text that one of them could not keep, too many values, a statement about transactions.
Result<void> check_values(std::string_view sql, std::span<const Value> values);

}  // namespace keepgate::store

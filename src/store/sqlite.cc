#include <sqlite3.h>
#include <time.h>

#include <filesystem>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/connection.h"
#include "store/sqlite_file.h"

namespace keepgate::store {

namespace {

constexpr int sqlite_application_id = 0x4b656570;  // "Keep".
constexpr std::size_t sqlite_statements_max = 512;
constexpr int sqlite_sql_bytes_max = 64 * 1024;

// A program that changes its folder later still finds it.
std::string absolute_path(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failed);
  return failed ? path : absolute.string();
}

// Errors behind which the transaction is gone or cannot be trusted, and the file has to be opened again.
bool is_file_trouble(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_NOLFS:
      return true;
    default:
      return false;
  }
}

// Statements about transactions are ours alone, and nothing of a store leads to another file.
int authorize_sqlite(void* guarded, int action, const char*, const char*, const char*, const char*) {
  switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return SQLITE_DENY;
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_PRAGMA:
      return *static_cast<const bool*>(guarded) ? SQLITE_DENY : SQLITE_OK;
    default:
      return SQLITE_OK;
  }
}

struct SqliteFinalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using SqliteStatement = std::unique_ptr<sqlite3_stmt, SqliteFinalize>;

class SqliteConnection final : public Connection {
 public:
  explicit SqliteConnection(const StoreAddress& address) : path_(absolute_path(address.file)) {}
  ~SqliteConnection() override { close(); }

  using Database::run;
  Result<Rows> run(std::string_view sql, std::span<const Value> values) override;

  Opening open(Access access, int wait_ms, std::string& why) override;
  bool is_open() const override { return handle_ != nullptr; }
  void close() override;
  bool opens_at_once() const override { return true; }

  Result<void> begin(bool is_read_only) override;
  CommitOutcome commit(std::string& why) override;
  void rollback() override;
  bool begin_job() override;
  bool keep_job() override;
  bool undo_job() override;
  bool statement_failed() const override { return statement_failed_; }
  Trouble trouble() const override { return trouble_; }
  bool changed_rows() const override { return handle_ && sqlite3_total_changes64(handle_) != changes_before_; }
  bool others_changed() override;

 private:
  bool set_up(std::string& why);
  bool claim_file(std::string& why);
  bool log_is_there() const { return is_same_file(state_of_file(log_path_), log_); }
  bool control(std::string_view sql, std::string& why);  // Statements of our own.
  Result<std::int64_t> ask_number(std::string_view sql);
  Result<SqliteStatement> prepare(std::string_view sql);
  Result<Rows> step_all(sqlite3_stmt* statement);
  std::unexpected<Error> failed(int code, std::string_view sql);
  std::unexpected<Error> broken(std::string_view why, std::string_view sql);

  const std::string path_;
  std::string log_path_;  // Of the write-ahead log.
  FileState file_, log_;
  sqlite3* handle_ = nullptr;
  std::map<std::string, SqliteStatement, std::less<>> statements_;
  SqliteStatement data_version_;
  std::int64_t seen_version_ = -1;
  bool guarded_ = false;
  bool is_read_only_ = false;
  bool in_job_ = false;
  bool statement_failed_ = false;
  Trouble trouble_ = Trouble::none;
  sqlite3_int64 changes_before_ = 0;
};

std::unexpected<Error> SqliteConnection::broken(std::string_view why, std::string_view sql) {
  statement_failed_ = true;
  return store_broken(cat(why, ": ", sql.substr(0, 200)));
}

// The message names tables and columns, never values.
std::unexpected<Error> SqliteConnection::failed(int code, std::string_view sql) {
  statement_failed_ = true;
  const std::string message = cat(sqlite3_errmsg(handle_), " (", code, ")");
  if (is_file_trouble(code) || (in_job_ && sqlite3_get_autocommit(handle_) != 0)) trouble_ = Trouble::failed;
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      return store_conflict(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return store_unavailable(cat("the file is damaged: ", message));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
      return store_unavailable(cat("busy for too long: ", message));
    default:
      break;
  }
  if (is_file_trouble(code)) return store_unavailable(message);
  return store_broken(cat(message, ": ", sql.substr(0, 200)));
}

bool SqliteConnection::control(std::string_view sql, std::string& why) {
  const bool was_guarded = std::exchange(guarded_, false);
  const int code = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  guarded_ = was_guarded;
  if (code == SQLITE_OK) return true;
  why = cat(sqlite3_errmsg(handle_), " (", code, ")");
  if (is_file_trouble(code)) trouble_ = Trouble::failed;
  return false;
}

Result<SqliteStatement> SqliteConnection::prepare(std::string_view sql) {
  sqlite3_stmt* made = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &made, &tail);
  SqliteStatement statement(made);
  if (code != SQLITE_OK) return failed(code, sql);
  if (!statement) return broken("no statement", sql);
  if (tail != sql.data() + sql.size()) return broken("more than one statement", sql);
  return statement;
}

Result<std::int64_t> SqliteConnection::ask_number(std::string_view sql) {
  Result<SqliteStatement> statement = prepare(sql);
  if (!statement) return std::unexpected(std::move(statement.error()));
  if (const int code = sqlite3_step(statement->get()); code != SQLITE_ROW) return failed(code, sql);
  return sqlite3_column_int64(statement->get(), 0);
}

// A new file becomes a store of ours; a file of another program stays what it is.
bool SqliteConnection::claim_file(std::string& why) {
  // Of one moment: another process may be making it.
  if (!control("BEGIN", why)) return false;
  const Result<std::int64_t> id = ask_number("PRAGMA application_id");
  const Result<std::int64_t> tables = ask_number("SELECT COUNT(*) FROM sqlite_schema");
  if (!control("COMMIT", why)) return false;
  if (!id || !tables) {
    why = id ? tables.error().detail : id.error().detail;
    return false;
  }
  if (*id != sqlite_application_id && (*id != 0 || *tables != 0)) {
    why = "it is the database of another program";
    return false;
  }
  // Another process that opens the new file at the same time holds it for a moment, and no busy handler is asked then.
  const std::int64_t deadline_ms = Now::read().monotonic_ms + busy_ms_max;
  while (!control("PRAGMA journal_mode=WAL", why)) {
    if ((sqlite3_errcode(handle_) & 0xff) != SQLITE_BUSY || Now::read().monotonic_ms > deadline_ms) return false;
    const timespec moment{.tv_sec = 0, .tv_nsec = 5'000'000};
    ::nanosleep(&moment, nullptr);  // Between two tries.
  }
  const Result<SqliteStatement> mode = prepare("PRAGMA journal_mode");
  const unsigned char* text =
      mode && sqlite3_step(mode->get()) == SQLITE_ROW ? sqlite3_column_text(mode->get(), 0) : nullptr;
  if (text == nullptr || std::string_view(reinterpret_cast<const char*>(text)) != "wal") {
    why = "its file system does not allow a write-ahead log: put it on a local disk";
    return false;
  }
  if (*id == 0) return control(cat("PRAGMA application_id=", sqlite_application_id), why);
  // One that came without a log (VACUUM INTO leaves such a copy) has it from the next look into the file on.
  const Result<std::int64_t> looked = ask_number("SELECT COUNT(*) FROM sqlite_schema");
  if (!looked) why = looked.error().detail;
  return looked.has_value();
}

bool SqliteConnection::set_up(std::string& why) {
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, busy_ms_max);
  sqlite3_set_authorizer(handle_, authorize_sqlite, &guarded_);
  sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, static_cast<int>(value_bytes_max) * 2);
  sqlite3_limit(handle_, SQLITE_LIMIT_SQL_LENGTH, sqlite_sql_bytes_max);
  sqlite3_limit(handle_, SQLITE_LIMIT_ATTACHED, 0);
  for (const int off : {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DML,
                        SQLITE_DBCONFIG_DQS_DDL, SQLITE_DBCONFIG_WRITABLE_SCHEMA}) {
    sqlite3_db_config(handle_, off, 0, nullptr);
  }
  for (const int on : {SQLITE_DBCONFIG_DEFENSIVE, SQLITE_DBCONFIG_ENABLE_FKEY}) {
    sqlite3_db_config(handle_, on, 1, nullptr);
  }
  if (!claim_file(why)) return false;
  // FULL: a commit is on the disk before it is told (EXTRA adds nothing to it with a write-ahead log).
  for (const std::string_view sql : {"PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON", "PRAGMA foreign_keys=ON",
                                     "PRAGMA cell_size_check=ON", "PRAGMA temp_store=MEMORY", "PRAGMA mmap_size=0",
                                     "PRAGMA cache_size=-16000", "PRAGMA journal_size_limit=67108864"}) {
    if (!control(sql, why)) return false;
  }
  for (const auto& [sql, wanted] : {std::pair("PRAGMA synchronous", 2), {"PRAGMA foreign_keys", 1}}) {
    if (const Result<std::int64_t> is = ask_number(sql); !is || *is != wanted) {
      why = cat(sql, " is not ", wanted);
      return false;
    }
  }
  Result<SqliteStatement> version = prepare("PRAGMA data_version");
  if (!version) {
    why = version.error().detail;
    return false;
  }
  data_version_ = std::move(*version);
  guarded_ = true;
  return true;
}

Opening SqliteConnection::open(Access access, int, std::string& why) {
  close();
  const Result<std::string> real = prepare_store_file(path_, access);
  if (!real) {
    why = real.error().detail;
    return Opening::failed;
  }
  file_ = state_of_file(*real);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
  if (const int code = sqlite3_open_v2(real->c_str(), &handle_, flags, nullptr); code != SQLITE_OK) {
    why = cat(sqlite3_errstr(code), " (", code, ")");
    close();
    return Opening::failed;
  }
  if (!set_up(why)) {
    close();
    return Opening::failed;
  }
  // It is there since claim_file looked into the file, and stays as long as a connection does.
  log_path_ = cat(*real, "-wal");
  log_ = state_of_file(log_path_);
  trouble_ = Trouble::none;
  return Opening::open;
}

void SqliteConnection::close() {
  statements_.clear();
  data_version_.reset();
  if (handle_) sqlite3_close(handle_);
  handle_ = nullptr;
  guarded_ = is_read_only_ = in_job_ = statement_failed_ = false;
  seen_version_ = -1;
}

Result<void> SqliteConnection::begin(bool is_read_only) {
  trouble_ = Trouble::none;
  // A file that was moved away or replaced would take what is written along, and lose it.
  if (!is_same_file(state_of_file(path_), file_)) {
    trouble_ = Trouble::failed;
    return store_unavailable("its file was replaced or removed");
  }
  // So would a log that has no name any more, when the program dies. What is in it goes into the file while it can
  // still be read; who opens the file again starts another one.
  if (!log_is_there()) {
    trouble_ = Trouble::failed;
    sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    return store_unavailable("its write-ahead log was replaced or removed");
  }
  is_read_only_ = is_read_only;
  statement_failed_ = false;
  changes_before_ = sqlite3_total_changes64(handle_);
  std::string why;
  // IMMEDIATE: one that begins to read and then wants to write could find that another was faster, and nothing helps
  // then.
  if (control(is_read_only ? "BEGIN" : "BEGIN IMMEDIATE", why)) return {};
  if ((sqlite3_errcode(handle_) & 0xff) != SQLITE_BUSY) trouble_ = Trouble::failed;
  return store_unavailable(why);
}

CommitOutcome SqliteConnection::commit(std::string& why) {
  in_job_ = false;
  if (control("COMMIT", why)) return CommitOutcome::done;
  trouble_ = Trouble::failed;
  rollback();
  return CommitOutcome::failed;
}

void SqliteConnection::rollback() {
  in_job_ = false;
  std::string ignored;
  if (handle_ && sqlite3_get_autocommit(handle_) == 0 && !control("ROLLBACK", ignored)) trouble_ = Trouble::failed;
}

bool SqliteConnection::begin_job() {
  std::string ignored;
  in_job_ = true;
  statement_failed_ = false;
  if (!control("SAVEPOINT job", ignored)) trouble_ = Trouble::failed;
  return trouble_ == Trouble::none;
}

bool SqliteConnection::keep_job() {
  std::string ignored;
  if (!control("RELEASE job", ignored)) trouble_ = Trouble::failed;
  return trouble_ == Trouble::none;
}

bool SqliteConnection::undo_job() {
  std::string ignored;
  if (!control("ROLLBACK TO job; RELEASE job", ignored)) trouble_ = Trouble::failed;
  return trouble_ == Trouble::none;
}

// The pragma counts commits of other connections; our own leave it as it is. A log that is gone is a change: begin()
// saves what is in it, though nobody may ask for anything for hours.
bool SqliteConnection::others_changed() {
  if (!handle_) return false;
  if (!log_is_there()) return true;
  const std::int64_t before = seen_version_;
  const bool was_guarded = std::exchange(guarded_, false);
  if (sqlite3_step(data_version_.get()) == SQLITE_ROW) seen_version_ = sqlite3_column_int64(data_version_.get(), 0);
  sqlite3_reset(data_version_.get());
  guarded_ = was_guarded;
  return seen_version_ != before;
}

Result<Rows> SqliteConnection::step_all(sqlite3_stmt* statement) {
  Rows rows;
  int code = SQLITE_ROW;
  const int columns = sqlite3_column_count(statement);
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    if (rows.size() >= rows_max) return broken("too many rows", sqlite3_sql(statement));
    Row& row = rows.emplace_back();
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_NULL:
          row.emplace_back();
          break;
        case SQLITE_INTEGER:
          row.emplace_back(std::int64_t{sqlite3_column_int64(statement, i)});
          break;
        case SQLITE_TEXT: {
          const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
          if (text == nullptr) return failed(SQLITE_NOMEM, sqlite3_sql(statement));
          row.emplace_back(std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, i))));
          break;
        }
        default:
          return broken("a column that is neither number nor text", sqlite3_sql(statement));
      }
    }
  }
  if (code != SQLITE_DONE) return failed(code, sqlite3_sql(statement));
  return rows;
}

Result<Rows> SqliteConnection::run(std::string_view sql, std::span<const Value> values) {
  if (!handle_ || trouble_ != Trouble::none) return store_unavailable("the transaction is lost");
  if (in_job_ && statement_failed_) return broken("a statement behind one that failed", sql);
  if (Result<void> good = check_values(sql, values); !good) {
    statement_failed_ = true;
    return std::unexpected(std::move(good.error()));
  }
  SqliteStatement once;
  sqlite3_stmt* statement = nullptr;
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    statement = found->second.get();
  } else {
    Result<SqliteStatement> prepared = prepare(sql);
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    statement = prepared->get();
    if (statements_.size() < sqlite_statements_max) {
      statements_.emplace(std::string(sql), std::move(*prepared));
    } else {
      once = std::move(*prepared);
    }
  }
  if (is_read_only_ && sqlite3_stmt_readonly(statement) == 0) return broken("writing where one may only read", sql);
  if (sqlite3_bind_parameter_count(statement) != static_cast<int>(values.size())) {
    return broken("another number of values than of parameters", sql);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    // "$1" is a name for SQLite, which numbers its parameters as they come.
    const int at = sqlite3_bind_parameter_index(statement, cat('$', i + 1).c_str());
    if (at == 0) return broken("parameters are $1, $2 and so on", sql);
    int code = SQLITE_OK;
    if (const auto* number = std::get_if<std::int64_t>(&values[i])) {
      code = sqlite3_bind_int64(statement, at, *number);
    } else if (const auto* text = std::get_if<std::string>(&values[i])) {
      code = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    if (code != SQLITE_OK) return failed(code, sql);
  }
  Result<Rows> rows = step_all(statement);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);  // They point at what the caller owns.
  return rows;
}

}  // namespace

std::unique_ptr<Connection> make_sqlite_connection(const StoreAddress& address) {
  return std::make_unique<SqliteConnection>(address);
}

}  // namespace keepgate::store

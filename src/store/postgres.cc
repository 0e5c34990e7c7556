#include <time.h>

#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/connection.h"
#include "store/postgres_session.h"

namespace keepgate::store {

namespace {

constexpr std::int64_t commit_known_ms_max = 5'000;  // To find out what became of a commit.
constexpr long commit_look_ns = 50'000'000;
constexpr int connect_step_ms = 100;
constexpr std::string_view migration_lock = "4960321757836";  // "Keepg" and nothing else of meaning.

// What stands between transactions and jobs (BEGIN, SAVEPOINT, RELEASE) goes along with the next statement: `ahead_`. A
// transaction without statements sends nothing.
class PostgresConnection final : public Connection {
 public:
  explicit PostgresConnection(const StoreAddress& address) : session_(address) {}

  using Database::run;
  Result<Rows> run(std::string_view sql, std::span<const Value> values) override;

  Opening open(Access, int wait_ms, std::string& why) override { return session_.connect(wait_ms, why); }
  bool is_open() const override { return session_.is_open(); }
  void close() override { session_.close(); }
  std::string_view history() const override { return session_.timeline(); }
  Result<void> lock_migrations() override {
    if (Result<void> set = session_.set_patience(true); !set) return set;
    return command(cat("SET lock_timeout = 0;SELECT pg_advisory_lock(", migration_lock, ");SET lock_timeout = 5000"));
  }
  void unlock_migrations() override {
    static_cast<void>(command(cat("SELECT pg_advisory_unlock(", migration_lock, ")")));
    static_cast<void>(session_.set_patience(false));
  }

  Result<void> begin(bool is_read_only) override;
  CommitOutcome commit(std::string& why) override;
  void rollback() override;
  bool begin_job() override;
  bool keep_job() override;
  bool undo_job() override;
  bool statement_failed() const override { return statement_failed_; }
  Trouble trouble() const override { return trouble_; }
  bool changed_rows() const override { return changed_rows_ > 0; }
  bool others_changed() override { return session_.take_notifications(); }

 private:
  Result<void> command(std::string_view sql);
  bool send_ahead();
  bool note_trouble();
  CommitOutcome find_out(const std::string& transaction, std::string& why);

  PostgresSession session_;
  std::string ahead_, ahead_before_job_;
  bool has_begun_ = false;  // The server knows of the transaction.
  bool job_has_begun_ = false;
  bool in_job_ = false;
  bool is_read_only_ = false;
  bool statement_failed_ = false;
  Trouble trouble_ = Trouble::none;
  std::int64_t changed_rows_ = 0;
};

Result<void> PostgresConnection::command(std::string_view sql) {
  Result<PostgresSession::Answer> answer = session_.simple(sql);
  if (!answer) return std::unexpected(std::move(answer.error()));
  return {};
}

bool PostgresConnection::note_trouble() {
  if (session_.trouble() != Trouble::none) trouble_ = session_.trouble();
  return trouble_ != Trouble::none;
}

Result<void> PostgresConnection::begin(bool is_read_only) {
  trouble_ = Trouble::none;
  statement_failed_ = has_begun_ = job_has_begun_ = in_job_ = false;
  is_read_only_ = is_read_only;
  changed_rows_ = 0;
  ahead_ = is_read_only ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                        : "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";
  return {};
}

bool PostgresConnection::send_ahead() {
  if (ahead_.empty()) return true;
  const Result<void> sent = command(std::exchange(ahead_, {}));
  if (!sent && !note_trouble()) trouble_ = Trouble::failed;
  if (!sent) return false;
  has_begun_ = true;
  job_has_begun_ = in_job_;
  return true;
}

Result<Rows> PostgresConnection::run(std::string_view sql, std::span<const Value> values) {
  if (trouble_ != Trouble::none) return store_unavailable("the transaction is lost");
  if (in_job_ && statement_failed_) return store_broken("a statement behind one that failed");
  if (Result<void> good = check_values(sql, values); !good) {
    statement_failed_ = true;
    return std::unexpected(std::move(good.error()));
  }
  if (!send_ahead()) {
    statement_failed_ = true;
    return store_unavailable("the transaction could not be begun", ErrorKind::unreachable);
  }
  Result<PostgresSession::Answer> answer = session_.prepared(sql, values);
  if (!answer) {
    statement_failed_ = true;
    note_trouble();
    if (is_read_only_ && answer.error().detail.ends_with(" 25006"))
      return store_broken("writing where one may only read");
    if (answer.error().code == "store_broken") append(answer.error().detail, ": ", sql.substr(0, 200));
    return std::unexpected(std::move(answer.error()));
  }
  changed_rows_ += answer->changed_rows;
  return std::move(answer->rows);
}

bool PostgresConnection::begin_job() {
  in_job_ = true;
  job_has_begun_ = statement_failed_ = false;
  ahead_before_job_ = ahead_;
  append(ahead_, ahead_.empty() ? "" : ";", "SAVEPOINT job");
  return trouble_ == Trouble::none;
}

bool PostgresConnection::keep_job() {
  ahead_ = job_has_begun_ ? "RELEASE SAVEPOINT job" : ahead_before_job_;
  in_job_ = false;
  return trouble_ == Trouble::none;
}

bool PostgresConnection::undo_job() {
  ahead_ = job_has_begun_ ? "ROLLBACK TO SAVEPOINT job;RELEASE SAVEPOINT job" : ahead_before_job_;
  in_job_ = statement_failed_ = false;
  return trouble_ == Trouble::none;
}

void PostgresConnection::rollback() {
  in_job_ = false;
  ahead_.clear();
  if (!has_begun_ || !session_.is_open()) return;
  has_begun_ = false;
  if (const Result<void> ended = command("ROLLBACK"); !ended) {
    session_.close();
    trouble_ = Trouble::lost;
  }
}

CommitOutcome PostgresConnection::commit(std::string& why) {
  in_job_ = false;
  if (!has_begun_) {
    ahead_.clear();
    return CommitOutcome::done;
  }
  const auto outcome_of = [&](const Error& error) {
    why = error.detail;
    if (!note_trouble()) trouble_ = Trouble::failed;
    return trouble_ == Trouble::failed ? CommitOutcome::failed : CommitOutcome::again;
  };
  const std::string between = ahead_.empty() ? "" : cat(std::exchange(ahead_, {}), ";");
  if (changed_rows_ == 0) {
    const auto ended = session_.simple(cat(between, "COMMIT"));
    if (!ended) return outcome_of(ended.error());
    has_begun_ = false;
    return CommitOutcome::done;
  }
  // The number of the transaction tells later what became of it, if the answer to COMMIT never comes.
  const auto number =
      session_.simple(cat(between, "SELECT pg_current_xact_id()::text, pg_notify('keepgate_store', '')"));
  if (!number) return outcome_of(number.error());
  const std::string transaction = number->rows.empty() ? "" : text_of(number->rows[0][0]);
  const auto ended = session_.simple("COMMIT");
  if (ended && ended->tag == "COMMIT") {
    has_begun_ = false;
    return CommitOutcome::done;
  }
  if (!ended && session_.trouble() == Trouble::lost) return find_out(transaction, why);
  if (!ended) return outcome_of(ended.error());
  why = "the server ended the transaction without a commit";
  trouble_ = Trouble::failed;
  return CommitOutcome::failed;
}

// The connection was lost between COMMIT and its answer.
CommitOutcome PostgresConnection::find_out(const std::string& transaction, std::string& why) {
  has_begun_ = false;
  const std::int64_t deadline_ms = Now::read().monotonic_ms + commit_known_ms_max;
  std::string last_why = "no connection";
  while (parse_unsigned<std::uint64_t>(transaction) && Now::read().monotonic_ms < deadline_ms) {
    if (session_.connect(connect_step_ms, last_why) == Opening::open) {
      const auto status = session_.simple(cat("SELECT pg_xact_status('", transaction, "'::xid8)"));
      const std::string text = status && !status->rows.empty() ? text_of(status->rows[0][0]) : "";
      if (text == "committed") return CommitOutcome::done;
      if (text == "aborted") {
        why = "the connection was lost in the commit";
        return CommitOutcome::again;
      }
      // "in progress": the server has not noticed yet that its client is gone. Anything else: it does not remember.
      if (status && text != "in progress") break;
      last_why = status ? "the server still works on it" : status.error().detail;
    }
    const timespec moment{.tv_sec = 0, .tv_nsec = commit_look_ns};
    ::nanosleep(&moment, nullptr);  // Between two looks: the server needs a moment to notice.
  }
  why = cat("the connection was lost in the commit, and what became of it is not known: ", last_why);
  trouble_ = Trouble::failed;
  return CommitOutcome::failed;
}

}  // namespace

std::unique_ptr<Connection> make_postgres_connection(const StoreAddress& address) {
  return std::make_unique<PostgresConnection>(address);
}

}  // namespace keepgate::store

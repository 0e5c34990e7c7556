// PostgresSession: one connection to a PostgreSQL server: opening it, statements and answers, each with a deadline.
//
// Private to this room. Thread rule: one thread. Bounds: connect_ms_max, answer_ms_max (a server that is frozen looks
// like one that is gone), prepared_max statements.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "store/connection.h"
#include "store/pq_library.h"

namespace keepgate::store {

class PostgresSession {
 public:
  static constexpr std::int64_t connect_ms_max = 5'000;
  static constexpr std::int64_t answer_ms_max = busy_ms_max + 2'000;  // The server itself gives up before.
  static constexpr std::int64_t long_answer_ms_max = 600'000;
  static constexpr std::size_t prepared_max = 512;

  struct Answer {
    Rows rows;
    std::string tag;                // "INSERT 0 1", "COMMIT".
    std::int64_t changed_rows = 0;  // By INSERT, UPDATE and DELETE.
  };

  explicit PostgresSession(const StoreAddress& address) : uri_(address.uri) {}
  ~PostgresSession() { close(); }
  PostgresSession(const PostgresSession&) = delete;
  PostgresSession& operator=(const PostgresSession&) = delete;

  Opening connect(int wait_ms, std::string& why);
  bool is_open() const { return is_open_; }
  void close();
  // The server's timeline: it counts up when a standby takes over, and when an archive is brought back.
  const std::string& timeline() const { return timeline_; }

  // Several statements of our own, separated by semicolons; the answer to the last one.
  Result<Answer> simple(std::string_view sql);
  // One statement with values.
  Result<Answer> prepared(std::string_view sql, std::span<const Value> values);
  // What the last error means for the transaction. `lost`: the connection is closed.
  Trouble trouble() const { return trouble_; }
  // For work on the schema: it may take longer, here and there. Until set_patience(false) or the next connection.
  Result<void> set_patience(bool is_long);

  // Has another one notified us of a change since the last call?
  bool take_notifications();

 private:
  struct Finish {
    const PqLibrary* pq;
    void operator()(PGconn* connection) const { pq->finish(connection); }
  };
  bool start(std::string& why);
  bool set_up(std::string& why);
  bool find_timeline(std::string& why);
  Result<Answer> receive(bool was_sent);
  bool wait_for_answer(std::int64_t deadline_ms);
  std::unexpected<Error> lose(std::string why);
  std::unexpected<Error> failed(const PGresult* result);
  Result<Answer> read(const PGresult* result);

  const std::string uri_;
  const PqLibrary* pq_ = nullptr;
  PGconn* connection_ = nullptr;
  bool is_open_ = false;
  std::string timeline_;
  PostgresPollingStatusType next_poll_ = PGRES_POLLING_FAILED;
  std::int64_t connect_before_ms_ = 0;
  std::map<std::string, std::string, std::less<>> prepared_;  // Text and kinds of values → name.
  Trouble trouble_ = Trouble::none;
  bool must_close_ = false;
  std::int64_t answer_ms_ = answer_ms_max;
};

// Whether a connection to this URI may do without TLS if it does not ask for it: it stays on this machine.
bool is_local_postgres(std::string_view uri);

}  // namespace keepgate::store

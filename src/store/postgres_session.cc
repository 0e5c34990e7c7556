#include "store/postgres_session.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "base/bytes.h"
#include "base/clock.h"

namespace keepgate::store {

namespace {

constexpr int server_version_min = 130'000;  // pg_current_xact_id().

// What the server does for each statement of ours, whatever it does for others. A commit has to be on its disk.
constexpr std::string_view postgres_settings =
    "SET client_min_messages = warning;"
    "SET standard_conforming_strings = on;"
    "SET statement_timeout = 5000;"
    "SET lock_timeout = 5000;"
    "SET idle_in_transaction_session_timeout = 15000;"
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';"
    "LISTEN keepgate_store";
static_assert(busy_ms_max == 5'000);
// The first eight digits of a WAL file's name are the timeline. Of a standby: nothing.
constexpr std::string_view timeline_query =
    "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END";

// Types of the server (pg_type.dat).
enum : Oid {
  oid_bool = 16,
  oid_int8 = 20,
  oid_int2 = 21,
  oid_int4 = 23,
  oid_text = 25,
  oid_numeric = 1700,
};

std::int64_t session_now_ms() { return Now::read().monotonic_ms; }

// Messages of libpq name host, user and database, and no password; they end with the end of a line.
std::string first_line(const char* message) {
  const std::string_view text = message ? message : "";
  return printable(text.substr(0, text.find('\n')), 300);
}

struct SqlState {
  std::string_view state;
  bool is(std::string_view prefix) const { return state.starts_with(prefix); }
  bool is_collision() const { return is("40001") || is("40P01"); }
  bool is_constraint() const { return is("23"); }
  // Connection, resources, operator's hand, system; canceled by a timeout; a server that only reads for now.
  bool is_unavailable() const {
    return is("080") || is("53") || is("57") || is("58") || is("55P03") || is("55006") || is("25006") || is("25P03") ||
           is("XX001") || is("XX002");
  }
};

Result<Value> value_of(Oid type, std::string_view text) {
  switch (type) {
    case oid_bool:
      return Value(std::int64_t{text == "t"});
    case oid_int2:
    case oid_int4:
    case oid_int8:
    case oid_numeric: {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc{} || end != text.data() + text.size()) return store_broken("a number that is not whole");
      return Value(number);
    }
    default:
      return Value(std::string(text));
  }
}

void ignore_notice(void*, const PGresult*) {}

}  // namespace

bool is_local_postgres(std::string_view uri) {
  const std::size_t slashes = uri.find("//");
  if (slashes == std::string_view::npos) return false;
  std::string_view host = uri.substr(slashes + 2);
  const std::size_t end = std::min(host.find_first_of("/?#"), host.size());
  if (host.substr(end).contains("host")) return false;  // A parameter that names another one.
  host = host.substr(0, end);
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (!host.starts_with('[')) host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host.starts_with("[::1]:");
}

bool PostgresSession::start(std::string& why) {
  pq_ = PqLibrary::load(why);
  if (pq_ == nullptr) return false;
  // What stands before dbname may be said otherwise by the URI. Elsewhere than on this machine the server proves who it
  // is.
  const char* const tls = is_local_postgres(uri_) ? "prefer" : "verify-full";
  const std::array names{
      "sslmode",          "gssencmode",       "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
      "keepalives_count", "application_name", "dbname",           "client_encoding", static_cast<const char*>(nullptr)};
  const std::array values{tls, "disable",  "5000",       "10",   "5",
                          "2", "keepgate", uri_.c_str(), "UTF8", static_cast<const char*>(nullptr)};
  static_assert(names.size() == values.size());
  connection_ = pq_->connect_start(names.data(), values.data(), 1);
  if (connection_ == nullptr) {
    why = "no memory for a connection";
    return false;
  }
  if (pq_->status(connection_) == CONNECTION_BAD) {
    // A URI that cannot be read is quoted in the message, with whatever it holds.
    why = pq_->socket(connection_) < 0 ? "the URI cannot be used, or its host is not known" : "no connection";
    const std::string message = first_line(pq_->error_message(connection_));
    if (message.starts_with("connection to server") || message.starts_with("could not translate")) why = message;
    close();
    return false;
  }
  next_poll_ = PGRES_POLLING_WRITING;
  connect_before_ms_ = session_now_ms() + connect_ms_max;
  return true;
}

Opening PostgresSession::connect(int wait_ms, std::string& why) {
  if (is_open_) return Opening::open;
  if (connection_ == nullptr && !start(why)) return Opening::failed;
  const std::int64_t step_before_ms = session_now_ms() + wait_ms;
  while (true) {
    const std::int64_t now_ms = session_now_ms();
    if (now_ms >= connect_before_ms_) {
      why = "no answer in time";
      close();
      return Opening::failed;
    }
    pollfd descriptor{pq_->socket(connection_), POLLIN, 0};
    if (next_poll_ == PGRES_POLLING_WRITING) descriptor.events = POLLOUT;
    const std::int64_t rest_ms = std::max(std::min(step_before_ms, connect_before_ms_) - now_ms, std::int64_t{0});
    if (::poll(&descriptor, 1, static_cast<int>(rest_ms)) <= 0) {
      if (session_now_ms() >= step_before_ms) return Opening::pending;
      continue;
    }
    next_poll_ = pq_->connect_poll(connection_);
    if (next_poll_ == PGRES_POLLING_OK) break;
    if (next_poll_ == PGRES_POLLING_FAILED) {
      why = first_line(pq_->error_message(connection_));
      close();
      return Opening::failed;
    }
  }
  if (set_up(why)) return Opening::open;
  close();
  return Opening::failed;
}

bool PostgresSession::set_up(std::string& why) {
  pq_->set_notice_receiver(connection_, ignore_notice, nullptr);
  if (pq_->server_version(connection_) < server_version_min) {
    why = "the server is older than PostgreSQL 13";
    return false;
  }
  if (pq_->set_nonblocking(connection_, 1) != 0) {
    why = "no connection that does not wait";
    return false;
  }
  is_open_ = true;
  trouble_ = Trouble::none;
  if (!find_timeline(why)) return false;
  const Result<Answer> set = simple(postgres_settings);
  if (!set) why = set.error().detail;
  return set.has_value();
}

// Where somebody else's server has no such functions, nothing is known.
bool PostgresSession::find_timeline(std::string& why) {
  timeline_.clear();
  const Result<Answer> answer = simple(timeline_query);
  if (!is_open_) {
    why = answer ? "the connection was lost" : answer.error().detail;
    return false;
  }
  trouble_ = Trouble::none;
  if (!answer || answer->rows.empty()) return true;
  timeline_ = text_of(answer->rows[0][0]);
  if (timeline_.empty()) why = "the server is a standby: it only reads";
  return !timeline_.empty();
}

void PostgresSession::close() {
  if (connection_) pq_->finish(connection_);
  connection_ = nullptr;
  is_open_ = must_close_ = false;
  answer_ms_ = answer_ms_max;
  prepared_.clear();
}

std::unexpected<Error> PostgresSession::lose(std::string why) {
  trouble_ = Trouble::lost;
  close();
  return store_unavailable(std::move(why), ErrorKind::unreachable);
}

Result<void> PostgresSession::set_patience(bool is_long) {
  answer_ms_ = is_long ? long_answer_ms_max : answer_ms_max;
  const std::int64_t statement_ms = is_long ? long_answer_ms_max - busy_ms_max : busy_ms_max;
  const Result<Answer> set = simple(cat("SET statement_timeout = ", statement_ms));
  if (!set) return std::unexpected(set.error());
  return {};
}

// false: there is none, and there will be none.
bool PostgresSession::wait_for_answer(std::int64_t deadline_ms) {
  while (true) {
    const int left = pq_->flush(connection_);
    if (left < 0) return false;
    if (left == 0 && pq_->is_busy(connection_) == 0) return true;
    const std::int64_t rest_ms = deadline_ms - session_now_ms();
    if (rest_ms <= 0) return false;
    pollfd descriptor{pq_->socket(connection_), POLLIN, 0};
    if (left > 0) descriptor.events |= POLLOUT;
    if (::poll(&descriptor, 1, static_cast<int>(rest_ms)) <= 0) continue;
    if ((descriptor.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && pq_->consume_input(connection_) == 0) return false;
  }
}

Result<PostgresSession::Answer> PostgresSession::receive(bool was_sent) {
  const std::int64_t deadline_ms = session_now_ms() + answer_ms_;
  Result<Answer> answer;
  bool has_failed = !was_sent;
  while (!has_failed) {
    if (!wait_for_answer(deadline_ms)) {
      has_failed = true;
      break;
    }
    const auto clear = [this](PGresult* result) { pq_->clear(result); };
    const std::unique_ptr<PGresult, decltype(clear)> result(pq_->get_result(connection_), clear);
    if (!result) break;
    if (!answer) continue;  // The first failure counts; nothing behind it was carried out.
    switch (pq_->result_status(result.get())) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        answer = read(result.get());
        break;
      default:
        answer = failed(result.get());
    }
  }
  if (must_close_) return lose("what was prepared does not fit any more");
  if (has_failed || pq_->status(connection_) == CONNECTION_BAD) {
    const std::string why = first_line(pq_->error_message(connection_));
    return lose(why.empty() ? "no answer of the server in time" : why);
  }
  return answer;
}

Result<PostgresSession::Answer> PostgresSession::read(const PGresult* result) {
  Answer out;
  out.tag = pq_->command_status(const_cast<PGresult*>(result));  // libpq's own signature; it only reads.
  if (out.tag.starts_with("INSERT") || out.tag.starts_with("UPDATE") || out.tag.starts_with("DELETE")) {
    const std::string_view count = pq_->command_tuples(const_cast<PGresult*>(result));
    out.changed_rows = static_cast<std::int64_t>(parse_unsigned<std::uint32_t>(count).value_or(1));
  }
  const int rows = pq_->tuple_count(result), columns = pq_->field_count(result);
  if (static_cast<std::size_t>(rows) > rows_max) return store_broken("too many rows");
  out.rows.resize(static_cast<std::size_t>(rows));
  for (int i = 0; i < rows; ++i) {
    Row& row = out.rows[static_cast<std::size_t>(i)];
    row.resize(static_cast<std::size_t>(columns));
    for (int j = 0; j < columns; ++j) {
      if (pq_->is_null(result, i, j) != 0) continue;
      const std::string_view text(pq_->get_value(result, i, j),
                                  static_cast<std::size_t>(pq_->get_length(result, i, j)));
      Result<Value> value = value_of(pq_->field_type(result, j), text);
      if (!value) return std::unexpected(std::move(value.error()));
      row[static_cast<std::size_t>(j)] = std::move(*value);
    }
  }
  return out;
}

// The server's messages may hold values ("invalid input syntax for type bigint: …"): they are shown for class 42 only,
// which is about names and types.
std::unexpected<Error> PostgresSession::failed(const PGresult* result) {
  const auto field = [&](int code) {
    const char* text = pq_->error_field(result, code);
    return std::string_view(text ? text : "");
  };
  const SqlState state{field(PG_DIAG_SQLSTATE)};
  std::string detail = cat("SQLSTATE ", state.state);
  if (state.is_constraint()) append(detail, ", constraint ", printable(field(PG_DIAG_CONSTRAINT_NAME)));
  if (state.is("42")) append(detail, ": ", printable(field(PG_DIAG_MESSAGE_PRIMARY)));
  // "cached plan must not change result type", or a pooler gave us another connection: what is prepared is void.
  if (state.is("0A000") || state.is("26000")) must_close_ = true;
  if (state.is_collision()) {
    trouble_ = Trouble::again;
    return store_unavailable(std::move(detail));
  }
  if (state.is_constraint()) return store_conflict(std::move(detail));
  if (state.is_unavailable()) return store_unavailable(std::move(detail));
  return store_broken(std::move(detail));
}

Result<PostgresSession::Answer> PostgresSession::simple(std::string_view sql) {
  trouble_ = Trouble::none;
  if (!is_open_) return lose("not connected");
  return receive(pq_->send_query(connection_, std::string(sql).c_str()) == 1);
}

// The kinds of the values are part of what is prepared: otherwise the server guesses a type from the statement, and
// "$1 + 1" would be a number of 32 bits.
Result<PostgresSession::Answer> PostgresSession::prepared(std::string_view sql, std::span<const Value> values) {
  trouble_ = Trouble::none;
  if (!is_open_) return lose("not connected");
  std::array<Oid, values_max> types{};
  std::array<std::string, values_max> numbers;
  std::array<const char*, values_max> texts{};
  std::string key(sql);
  key.push_back('\0');
  const int count = static_cast<int>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (const auto* number = std::get_if<std::int64_t>(&values[i])) {
      types[i] = oid_int8;
      numbers[i] = cat(*number);
      texts[i] = numbers[i].c_str();
    } else if (const auto* text = std::get_if<std::string>(&values[i])) {
      types[i] = oid_text;
      texts[i] = text->c_str();
    }
    key.push_back(types[i] == oid_int8 ? 'n' : types[i] == oid_text ? 't' : '0');
  }
  const std::string statement(sql);
  auto found = prepared_.find(key);
  if (found == prepared_.end()) {
    if (prepared_.size() >= prepared_max) {
      return receive(pq_->send_query_params(connection_, statement.c_str(), count, types.data(), texts.data(), nullptr,
                                            nullptr, 0) == 1);
    }
    const std::string name = cat('s', prepared_.size());
    Result<Answer> ready =
        receive(pq_->send_prepare(connection_, name.c_str(), statement.c_str(), count, types.data()) == 1);
    if (!ready) return ready;
    found = prepared_.emplace(std::move(key), name).first;
  }
  return receive(
      pq_->send_query_prepared(connection_, found->second.c_str(), count, texts.data(), nullptr, nullptr, 0) == 1);
}

bool PostgresSession::take_notifications() {
  if (!is_open_) return false;
  if (pq_->consume_input(connection_) == 0 || pq_->status(connection_) == CONNECTION_BAD) {
    lose("the connection was lost");
    return false;
  }
  bool has_any = false;
  while (PGnotify* notification = pq_->notifies(connection_)) {
    has_any = has_any || notification->be_pid != pq_->backend_pid(connection_);
    pq_->free_memory(notification);
  }
  return has_any;
}

}  // namespace keepgate::store

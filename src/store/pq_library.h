// libpq, loaded when a store in PostgreSQL is opened: a program without one does not pay for the twenty libraries
// behind it.
//
// Private to this room. Thread rule: load() from any thread; a connection belongs to one. Lifetime: for ever, once
// loaded.
#pragma once

#include <libpq-fe.h>

#include <string>

namespace keepgate::store {

struct PqLibrary {
  decltype(&::PQconnectStartParams) connect_start = nullptr;
  decltype(&::PQconnectPoll) connect_poll = nullptr;
  decltype(&::PQfinish) finish = nullptr;
  decltype(&::PQstatus) status = nullptr;
  decltype(&::PQsocket) socket = nullptr;
  decltype(&::PQerrorMessage) error_message = nullptr;
  decltype(&::PQserverVersion) server_version = nullptr;
  decltype(&::PQsetnonblocking) set_nonblocking = nullptr;
  decltype(&::PQsetNoticeReceiver) set_notice_receiver = nullptr;
  decltype(&::PQbackendPID) backend_pid = nullptr;
  decltype(&::PQsendQuery) send_query = nullptr;
  decltype(&::PQsendQueryParams) send_query_params = nullptr;
  decltype(&::PQsendPrepare) send_prepare = nullptr;
  decltype(&::PQsendQueryPrepared) send_query_prepared = nullptr;
  decltype(&::PQflush) flush = nullptr;
  decltype(&::PQconsumeInput) consume_input = nullptr;
  decltype(&::PQisBusy) is_busy = nullptr;
  decltype(&::PQgetResult) get_result = nullptr;
  decltype(&::PQclear) clear = nullptr;
  decltype(&::PQresultStatus) result_status = nullptr;
  decltype(&::PQresultErrorField) error_field = nullptr;
  decltype(&::PQntuples) tuple_count = nullptr;
  decltype(&::PQnfields) field_count = nullptr;
  decltype(&::PQftype) field_type = nullptr;
  decltype(&::PQgetisnull) is_null = nullptr;
  decltype(&::PQgetvalue) get_value = nullptr;
  decltype(&::PQgetlength) get_length = nullptr;
  decltype(&::PQcmdStatus) command_status = nullptr;
  decltype(&::PQcmdTuples) command_tuples = nullptr;
  decltype(&::PQnotifies) notifies = nullptr;
  decltype(&::PQfreemem) free_memory = nullptr;

  // nullptr, and `why`: it is not installed or too old.
  static const PqLibrary* load(std::string& why);
};

}  // namespace keepgate::store

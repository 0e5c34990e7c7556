#include "store/pq_library.h"

#include <dlfcn.h>

#include "base/bytes.h"

namespace keepgate::store {

namespace {

constexpr const char* pq_file_name = "libpq.so.5";
constexpr int pq_version_min = 140'000;

struct LoadedPq {
  PqLibrary library;
  std::string why;  // Why not; empty: it is usable.
};

template <typename Function>
void take_pq(void* handle, Function& function, const char* name, std::string& why) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  if (function == nullptr && why.empty()) why = cat(pq_file_name, " has no ", name);
}

void take_pq_functions(void* handle, PqLibrary& out, std::string& why) {
  take_pq(handle, out.connect_start, "PQconnectStartParams", why);
  take_pq(handle, out.connect_poll, "PQconnectPoll", why);
  take_pq(handle, out.finish, "PQfinish", why);
  take_pq(handle, out.status, "PQstatus", why);
  take_pq(handle, out.socket, "PQsocket", why);
  take_pq(handle, out.error_message, "PQerrorMessage", why);
  take_pq(handle, out.server_version, "PQserverVersion", why);
  take_pq(handle, out.set_nonblocking, "PQsetnonblocking", why);
  take_pq(handle, out.set_notice_receiver, "PQsetNoticeReceiver", why);
  take_pq(handle, out.backend_pid, "PQbackendPID", why);
  take_pq(handle, out.send_query, "PQsendQuery", why);
  take_pq(handle, out.send_query_params, "PQsendQueryParams", why);
  take_pq(handle, out.send_prepare, "PQsendPrepare", why);
  take_pq(handle, out.send_query_prepared, "PQsendQueryPrepared", why);
  take_pq(handle, out.flush, "PQflush", why);
  take_pq(handle, out.consume_input, "PQconsumeInput", why);
  take_pq(handle, out.is_busy, "PQisBusy", why);
  take_pq(handle, out.get_result, "PQgetResult", why);
  take_pq(handle, out.clear, "PQclear", why);
  take_pq(handle, out.result_status, "PQresultStatus", why);
  take_pq(handle, out.error_field, "PQresultErrorField", why);
  take_pq(handle, out.tuple_count, "PQntuples", why);
  take_pq(handle, out.field_count, "PQnfields", why);
  take_pq(handle, out.field_type, "PQftype", why);
  take_pq(handle, out.is_null, "PQgetisnull", why);
  take_pq(handle, out.get_value, "PQgetvalue", why);
  take_pq(handle, out.get_length, "PQgetlength", why);
  take_pq(handle, out.command_status, "PQcmdStatus", why);
  take_pq(handle, out.command_tuples, "PQcmdTuples", why);
  take_pq(handle, out.notifies, "PQnotifies", why);
  take_pq(handle, out.free_memory, "PQfreemem", why);
}

void check_pq(void* handle, std::string& why) {
  decltype(&::PQlibVersion) version = nullptr;
  decltype(&::PQisthreadsafe) is_threadsafe = nullptr;
  take_pq(handle, version, "PQlibVersion", why);
  take_pq(handle, is_threadsafe, "PQisthreadsafe", why);
  if (!why.empty()) return;
  if (version() < pq_version_min) why = cat(pq_file_name, " is older than 14");
  if (is_threadsafe() == 0) why = cat(pq_file_name, " is not safe beside other threads");
}

LoadedPq load_pq_once() {
  LoadedPq out;
  void* handle = ::dlopen(pq_file_name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    out.why = cat("libpq cannot be loaded (package libpq5): ", reason ? reason : "no reason given");
    return out;
  }
  take_pq_functions(handle, out.library, out.why);
  check_pq(handle, out.why);
  return out;
}

}  // namespace

const PqLibrary* PqLibrary::load(std::string& why) {
  static const LoadedPq loaded = load_pq_once();
  if (loaded.why.empty()) return &loaded.library;
  why = loaded.why;
  return nullptr;
}

}  // namespace keepgate::store

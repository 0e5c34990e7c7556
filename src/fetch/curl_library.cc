#include "fetch/curl_library.h"

#include <dlfcn.h>

#include "base/bytes.h"

namespace keepgate::fetch {

namespace {

constexpr const char* file_name = "libcurl.so.4";
// CURLOPT_PROTOCOLS_STR (7.85) and CURLOPT_QUICK_EXIT (7.87).
constexpr unsigned version_min = 0x075700;

struct Loaded {
  CurlLibrary library;
  std::string why;  // Why not; empty: it is usable.
};

template <typename Function>
void take(void* handle, Function& function, const char* name, std::string& why) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  if (function == nullptr && why.empty()) why = cat(file_name, " has no ", name);
}

void take_functions(void* handle, CurlLibrary& out, std::string& why) {
  take(handle, out.easy_init, "curl_easy_init", why);
  take(handle, out.easy_cleanup, "curl_easy_cleanup", why);
  take(handle, out.easy_setopt, "curl_easy_setopt", why);
  take(handle, out.easy_getinfo, "curl_easy_getinfo", why);
  take(handle, out.easy_strerror, "curl_easy_strerror", why);
  take(handle, out.multi_init, "curl_multi_init", why);
  take(handle, out.multi_cleanup, "curl_multi_cleanup", why);
  take(handle, out.multi_setopt, "curl_multi_setopt", why);
  take(handle, out.multi_add_handle, "curl_multi_add_handle", why);
  take(handle, out.multi_remove_handle, "curl_multi_remove_handle", why);
  take(handle, out.multi_perform, "curl_multi_perform", why);
  take(handle, out.multi_poll, "curl_multi_poll", why);
  take(handle, out.multi_wakeup, "curl_multi_wakeup", why);
  take(handle, out.multi_info_read, "curl_multi_info_read", why);
  take(handle, out.slist_append, "curl_slist_append", why);
  take(handle, out.slist_free_all, "curl_slist_free_all", why);
}

void check_version(void* handle, std::string& why) {
  decltype(&::curl_version_info) version_info = nullptr;
  take(handle, version_info, "curl_version_info", why);
  if (!why.empty()) return;
  const curl_version_info_data* facts = version_info(CURLVERSION_NOW);
  if (facts->version_num < version_min) {
    why = cat(file_name, " is version ", facts->version, ", older than 7.87");
  } else if ((facts->features & CURL_VERSION_SSL) == 0 || (facts->features & CURL_VERSION_THREADSAFE) == 0) {
    why = cat(file_name, " has no TLS or cannot be started beside other threads");
  }
}

Loaded load_once() {
  Loaded out;
  void* handle = ::dlopen(file_name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    out.why = cat("libcurl cannot be loaded: ", reason ? reason : "no reason given");
    return out;
  }
  take_functions(handle, out.library, out.why);
  check_version(handle, out.why);
  decltype(&::curl_global_init) global_init = nullptr;
  take(handle, global_init, "curl_global_init", out.why);
  if (out.why.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) out.why = "libcurl does not start";
  return out;
}

}  // namespace

const CurlLibrary* CurlLibrary::load(std::string& why) {
  static const Loaded loaded = load_once();
  why = loaded.why;
  return loaded.why.empty() ? &loaded.library : nullptr;
}

}  // namespace keepgate::fetch

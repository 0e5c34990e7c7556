// Transfer: one exchange as libcurl carries it out, with every bound and refusal that a Request asks for. Private to
// this room. Thread rule: the client's thread. Lifetime: outlives the time its handle is with a multi handle.
#pragma once

#include <memory>
#include <string>

#include "fetch/curl_library.h"
#include "fetch/fetcher.h"
#include "fetch/url.h"

namespace keepgate::fetch {

class Transfer {
 public:
  Transfer(const CurlLibrary& library, Request request, Fetcher::Callback callback);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Makes the handle. On failure nothing was sent.
  Result<void> prepare();
  CURL* handle() const { return handle_; }
  // Calls back, once.
  void end(CURLcode code);
  void fail(Error error);

 private:
  bool set_url();
  bool set_bounds();
  bool set_tls();
  bool set_callbacks();
  bool set_message();
  template <typename Value>
  bool set(CURLoption option, Value value) {
    return library_.easy_setopt(handle_, option, value) == CURLE_OK;
  }
  bool may_connect_to(const sockaddr* address);
  bool is_in_reach(std::string_view address);
  void take_head_line(std::string_view line);
  Result<Response> result_of(CURLcode code);

  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int before_request(void* self, char* peer, char* own, int peer_port, int own_port);
  static std::size_t take_head(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* self);

  const CurlLibrary& library_;
  Request request_;
  Fetcher::Callback callback_;
  Url url_;
  CURL* handle_ = nullptr;
  curl_slist* lines_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  std::string refused_;  // Why we ended it ourselves.
  std::size_t head_bytes_ = 0;
  Response response_;
};

}  // namespace keepgate::fetch

// What a transfer is allowed to do. The order of set_…() does not matter; that each of them succeeds does: an option
// that libcurl does not take refuses the transfer.
#include "fetch/transfer.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "net/address.h"

namespace keepgate::fetch {

namespace {

constexpr std::size_t header_count_max = 100;

std::unexpected<Error> refused_request(std::string detail) {
  return keepgate::fail(ErrorKind::refused, Blame::configuration, "fetch_refused", std::move(detail));
}

bool is_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

ErrorKind kind_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorKind::timeout;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return ErrorKind::unreachable;
    case CURLE_FILESIZE_EXCEEDED:
      return ErrorKind::limit;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return ErrorKind::refused;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return ErrorKind::closed;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      return ErrorKind::internal;
    default:
      return ErrorKind::malformed;
  }
}

}  // namespace

std::string_view Response::find(std::string_view name) const {
  const auto found = std::ranges::find_if(headers, [&](const Header& one) { return one.name == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

Transfer::Transfer(const CurlLibrary& library, Request request, Fetcher::Callback callback)
    : library_(library), request_(std::move(request)), callback_(std::move(callback)) {}

Transfer::~Transfer() {
  if (handle_) library_.easy_cleanup(handle_);
  if (request_.is_secret) {
    for (curl_slist* line = lines_; line != nullptr; line = line->next)
      ::explicit_bzero(line->data, std::strlen(line->data));
    for (Header& header : request_.headers) ::explicit_bzero(header.value.data(), header.value.size());
    ::explicit_bzero(request_.body.data(), request_.body.size());
  }
  library_.slist_free_all(lines_);
}

Result<void> Transfer::prepare() {
  std::string why;
  const auto url = Url::parse(request_.url, why);
  if (!url) return refused_request(cat("not a URL to fetch: ", why));
  url_ = *url;
  if (!url_.tls && request_.plain == Plain::refused) return refused_request("http:// is not allowed here");
  if (request_.method == Method::post && request_.redirects_max > 0) {
    return refused_request("a post follows no redirect");
  }
  for (const Header& header : request_.headers) {
    if (!is_line(header.name) || !is_line(header.value)) return refused_request("a header with a line break in it");
  }
  handle_ = library_.easy_init();
  if (!handle_ || !set_url() || !set_bounds() || !set_tls() || !set_callbacks() || !set_message()) {
    return keepgate::fail(ErrorKind::internal, Blame::us, "fetch_failed", "libcurl does not take an option");
  }
  return {};
}

bool Transfer::set_url() {
  const bool follows = request_.redirects_max > 0;
  return set(CURLOPT_URL, url_.text().c_str()) && set(CURLOPT_PATH_AS_IS, 1L) &&
         set(CURLOPT_PROTOCOLS_STR, url_.tls ? "https" : "http") && set(CURLOPT_REDIR_PROTOCOLS_STR, "https") &&
         set(CURLOPT_FOLLOWLOCATION, follows ? 1L : 0L) &&
         set(CURLOPT_MAXREDIRS, static_cast<long>(request_.redirects_max)) &&
         set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
         // Nothing of the environment: no proxy, no .netrc, no cookies. A Unix socket only ever by an option of ours.
         set(CURLOPT_PROXY, "") && set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED)) &&
         set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) && set(CURLOPT_HTTP09_ALLOWED, 0L);
}

bool Transfer::set_bounds() {
  return set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_QUICK_EXIT, 1L) &&
         set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout_ms)) &&
         set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout_ms)) && set(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
         set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request_.silence_s_max)) &&
         set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.body_bytes_max)) &&
         // Compressed bytes would have a size that nobody announced: not asked for, not taken.
         set(CURLOPT_ACCEPT_ENCODING, static_cast<const char*>(nullptr)) && set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
}

bool Transfer::set_tls() {
  bool done = set(CURLOPT_SSL_VERIFYPEER, 1L) && set(CURLOPT_SSL_VERIFYHOST, 2L) &&
              set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (done && request_.authorities) {
    curl_blob pem{const_cast<char*>(request_.authorities->data()), request_.authorities->size(), CURL_BLOB_COPY};
    const char* none = nullptr;
    done = set(CURLOPT_CAINFO_BLOB, &pem) && set(CURLOPT_CAPATH, none);
  }
  return done;
}

bool Transfer::set_callbacks() {
  void* self = this;
  return set(CURLOPT_PRIVATE, self) && set(CURLOPT_ERRORBUFFER, error_) &&
         set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket) && set(CURLOPT_OPENSOCKETDATA, self) &&
         set(CURLOPT_PREREQFUNCTION, &Transfer::before_request) && set(CURLOPT_PREREQDATA, self) &&
         set(CURLOPT_HEADERFUNCTION, &Transfer::take_head) && set(CURLOPT_HEADERDATA, self) &&
         set(CURLOPT_WRITEFUNCTION, &Transfer::take_body) && set(CURLOPT_WRITEDATA, self);
}

bool Transfer::set_message() {
  const auto add = [&](const std::string& line) {
    curl_slist* longer = library_.slist_append(lines_, line.c_str());
    if (longer) lines_ = longer;
    return longer != nullptr;
  };
  for (const Header& header : request_.headers) {
    if (!add(cat(header.name, ": ", header.value))) return false;
  }
  if (!add("Expect:") || !set(CURLOPT_USERAGENT, "keepgate")) return false;
  if (request_.method == Method::post) {
    if (!set(CURLOPT_POST, 1L) || !set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size())) ||
        !set(CURLOPT_POSTFIELDS, request_.body.data())) {
      return false;
    }
  }
  return set(CURLOPT_HTTPHEADER, lines_);
}

bool Transfer::is_in_reach(std::string_view address) {
  const bool stays_here = !url_.tls && request_.plain != Plain::anywhere;
  if (may_connect(address, request_.reach) && (!stays_here || may_connect(address, Reach::loopback))) return true;
  refused_ = "its address is not one that may be connected to";
  return false;
}

bool Transfer::may_connect_to(const sockaddr* address) {
  const socklen_t bytes = address->sa_family == AF_INET    ? sizeof(sockaddr_in)
                          : address->sa_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                           : 0;
  return is_in_reach(bytes == 0 ? std::string_view() : net::Address::from_native(address, bytes).ip_bytes());
}

// The address as it is going to be connected to: whatever a name server said, and however often it changes its mind.
curl_socket_t Transfer::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  if (!static_cast<Transfer*>(self)->may_connect_to(&address->addr)) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// A connection that is used again was opened for another transfer, perhaps one with a wider reach.
int Transfer::before_request(void* self, char* peer, char*, int peer_port, int) {
  auto* transfer = static_cast<Transfer*>(self);
  const auto address = net::Address::ip(peer ? peer : "", static_cast<std::uint16_t>(peer_port));
  return transfer->is_in_reach(address ? address->ip_bytes() : std::string_view()) ? CURL_PREREQFUNC_OK
                                                                                   : CURL_PREREQFUNC_ABORT;
}

std::size_t Transfer::take_head(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  const std::size_t all = size * count;
  transfer->head_bytes_ += all;
  if (transfer->head_bytes_ > transfer->request_.head_bytes_max) {
    transfer->refused_ = cat("its heads have more than ", transfer->request_.head_bytes_max, " bytes");
    return 0;
  }
  transfer->take_head_line({bytes, all});
  return all;
}

void Transfer::take_head_line(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // Another head: of a redirect's target, or behind a 1xx.
    response_.headers.clear();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || response_.headers.size() >= header_count_max) return;
  response_.headers.push_back({to_lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
}

std::size_t Transfer::take_body(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  const std::size_t all = size * count;
  std::string& body = transfer->response_.body;
  if (all > transfer->request_.body_bytes_max - body.size()) {
    transfer->refused_ = cat("it has more than ", transfer->request_.body_bytes_max, " bytes");
    return 0;
  }
  body.append(bytes, all);
  return all;
}

Result<Response> Transfer::result_of(CURLcode code) {
  if (code == CURLE_FILESIZE_EXCEEDED && refused_.empty()) {
    refused_ = cat("it has more than ", request_.body_bytes_max, " bytes");
  }
  if (code != CURLE_OK && !refused_.empty()) {
    return keepgate::fail(ErrorKind::refused, Blame::upstream, "fetch_refused", std::move(refused_));
  }
  if (code != CURLE_OK) {
    return keepgate::fail(kind_of(code), Blame::upstream, "fetch_failed",
                          printable(error_[0] != '\0' ? error_ : library_.easy_strerror(code)));
  }
  long status = 0;
  library_.easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<unsigned>(status);
  const std::string_view encoding = response_.find("content-encoding");
  if (!encoding.empty() && !equals_ignoring_case(encoding, "identity")) {
    return keepgate::fail(ErrorKind::refused, Blame::upstream, "fetch_refused",
                          cat("it is encoded: ", printable(encoding, 40)));
  }
  return std::move(response_);
}

void Transfer::end(CURLcode code) {
  const Fetcher::Callback callback = std::exchange(callback_, nullptr);
  if (callback) callback(result_of(code));
}

void Transfer::fail(Error error) {
  const Fetcher::Callback callback = std::exchange(callback_, nullptr);
  if (callback) callback(std::unexpected(std::move(error)));
}

}  // namespace keepgate::fetch

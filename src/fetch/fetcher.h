// Fetcher: one HTTP exchange with somebody outside, as values: what to ask, within which bounds, and what came.
//
// Not for the traffic of clients: for key sets, discovery and questions to an issuer. Thread rule: fetch() may be
// called from any thread; the callback is called once, on a thread of the fetcher's own, and must not block there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "fetch/reach.h"

namespace keepgate::fetch {

enum class Method : std::uint8_t { get = 0, post };

// http:// instead of https://. Whoever is on the way can then read and change what comes.
enum class Plain : std::uint8_t { refused = 0, to_loopback, anywhere };

struct Header {
  std::string name, value;
};

struct Request {
  std::string url;
  Method method = Method::get;
  std::vector<Header> headers;
  std::string body;        // Of a post.
  bool is_secret = false;  // The headers' values and the body are wiped when they are not needed any more.
  Reach reach = Reach::global;
  Plain plain = Plain::refused;
  // PEM of the authorities that may vouch for the peer; nullptr: the system's. The peer is always verified.
  std::shared_ptr<const std::string> authorities;
  unsigned redirects_max = 0;  // Of a get only; to https only, each with the same checks.
  std::size_t body_bytes_max = 1 << 20;
  std::size_t head_bytes_max = 32 * 1024;  // Of all heads together, of redirects and 1xx too.
  std::int64_t connect_timeout_ms = 5'000;
  std::int64_t timeout_ms = 10'000;  // From the start of the exchange to its last byte.
  std::int64_t silence_s_max = 0;    // So long without a byte ends it earlier; 0: that has no bound of its own.
};

struct Response {
  unsigned status = 0;
  std::vector<Header> headers;  // Of the final head; names in lower case.
  std::string body;

  std::string_view find(std::string_view name) const;  // The first of that name; "" if there is none.
};

class Fetcher {
 public:
  using Callback = std::function<void(Result<Response>)>;

  virtual ~Fetcher() = default;
  // Any status is a response; what broke a bound or a rule is an Error whose detail says which.
  virtual void fetch(Request request, Callback callback) = 0;
};

}  // namespace keepgate::fetch

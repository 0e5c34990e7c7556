// Subrequest: a request of our own to a location of ours, and what is kept of its answer.
//
// It is an Exchange like a client's, driven through the same phases from find_location on; only its answer is taken
// here and not by a socket. Nothing of a client chooses its path, and no subrequest makes another one: the access phase
// asks no service and no keys for it. Thread rule: its worker's. Lifetime: outlives the exchange that it is begun with.
// Bounds: head_bytes_max and body_bytes_max; what is above them breaks the answer.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/h1_parser.h"
#include "net/stream.h"

namespace keepgate::auth {
struct ApiKeyOptions;
}

namespace keepgate::pipeline {

class Exchange;

class Subrequest {
 public:
  static constexpr std::size_t head_bytes_max = 128 * 1024;

  // `main`: the request because of which it is asked; nullptr: nobody's. `body_bytes_max` 0: the head alone counts, and
  // nothing more of the answer is waited for.
  Subrequest(Exchange* main, std::size_t body_bytes_max) : main_(main), body_bytes_max_(body_bytes_max) {}
  Subrequest(const Subrequest&) = delete;
  Subrequest& operator=(const Subrequest&) = delete;

  Exchange* main() const { return main_; }
  bool wants_head_only() const { return body_bytes_max_ == 0; }

  // ---- whoever answers

  // The next bytes of the answer, as a client would get them. ok and all of them, or failed.
  net::IoResult take(const iovec* pieces, int count);
  // Keeps the head of an upstream's answer beyond the connection that it came by; the last one counts.
  const http::ResponseHead* keep_upstream_head(std::string_view bytes);
  const http::ResponseHead* upstream_head() const { return has_upstream_head_ ? &upstream_parser_.head() : nullptr; }

  // ---- afterwards

  // Reads what was taken. False: there is no whole head.
  bool read_head();
  const http::ResponseHead& head() const { return parser_.head(); }
  // Behind read_head(); `was_cut`: the exchange was aborted. Error: the body is not whole, or larger than asked for.
  Result<std::string> body(bool was_cut);

 private:
  Exchange* main_;
  std::size_t body_bytes_max_;
  std::string bytes_;
  bool overflowed_ = false;
  bool has_head_ = false;  // And nothing else is wanted.
  bool has_upstream_head_ = false;
  http::ResponseParser parser_{limits};
  std::string upstream_bytes_;
  http::ResponseParser upstream_parser_{limits};

  static constexpr http::HeadLimits limits{.line_bytes_max = head_bytes_max, .head_bytes_max = head_bytes_max};
};

// What is kept of a request to send it once more (pipeline/mirror.h). `withheld` lives as long as the snapshot.
struct RequestCopy {
  std::string head, query, body;
  const auth::ApiKeyOptions* withheld = nullptr;  // The API key that nobody sees any more, if there was one.
  bool password_withheld = false;                 // Likewise the credential of Basic authentication.

  void fill(Exchange& from);  // Everything but the body, which is there: its length is in the head.
};

}  // namespace keepgate::pipeline

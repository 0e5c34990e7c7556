// One error type for everything that can fail at run time, and Result<T> that carries it.
//
// Untrusted bytes, refused requests, peer failures, timeouts and limits are values of this type; a broken invariant
// is KG_ASSERT. An Error says whose fault it is and whether a retry can help, so that nobody guesses later.
// Thread rule: plain values. Lifetime: `code` points at a string literal; `detail` is owned.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace keepgate {

// What happened, in the terms of the layer that saw it. Zero is the least specific and is never retried.
enum class ErrorKind : std::uint8_t {
  internal = 0,
  malformed,      // Bytes that break a grammar.
  refused,        // Well formed, not acceptable.
  limit,          // A bound of ours was reached.
  timeout,        // A deadline passed.
  closed,         // The peer closed or reset the connection.
  unreachable,    // No connection could be made.
  cancelled,      // We stopped waiting on purpose.
  unsupported,    // Known, not built.
  configuration,  // The operator's files.
  io,             // The system refused.
};

enum class Blame : std::uint8_t { us = 0, client, upstream, configuration };
enum class Retry : std::uint8_t { never = 0, fresh_connection, always };

struct Error {
  ErrorKind kind = ErrorKind::internal;
  Blame blame = Blame::us;
  Retry retry = Retry::never;
  std::string_view code = "internal";  // Public, stable slug; a literal. Never says why to an outsider.
  std::string detail;                  // Private, for logs. Never a token or a key.
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, Blame blame, std::string_view code, std::string detail = {}) {
  return std::unexpected(Error{kind, blame, Retry::never, code, std::move(detail)});
}

// Aborts with its reason. For broken invariants only, never for external conditions.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace keepgate

#define KG_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::keepgate::assertion_failed(#expression, __FILE__, __LINE__))

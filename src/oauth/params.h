// Params: the parameters of a request in application/x-www-form-urlencoded, from a query or a body (RFC 6749 Appendix
// B).
//
// Thread rule: plain value; owns its texts. Bounds: bytes_max, count_max. A parameter without a value counts as not
// sent (RFC 6749 §3.1, §3.2). Texts may hold anything: whoever uses one checks it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace keepgate::oauth {

class Params {
 public:
  static constexpr std::size_t bytes_max = 64 * 1024;
  static constexpr std::size_t count_max = 128;

  // Error{malformed, client, "invalid_request"}: too long, too many, a broken escape, no UTF-8, a NUL.
  static Result<Params> parse(std::string_view text);

  // The value that was sent; nothing if it was not, or empty. Of several the first: see first_repeated().
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view()); }
  std::vector<std::string_view> all(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).has_value(); }
  // A parameter must not be sent twice (RFC 6749 §3.1, §3.2) but for those that may be (RFC 8707 §2, RFC 8693 §2.1):
  // the name of one that was; "" if all is well.
  std::string_view first_repeated() const;
  bool empty() const { return pairs_.empty(); }

  void add(std::string name, std::string value) { pairs_.emplace_back(std::move(name), std::move(value)); }
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }
  std::string write() const;  // Encoded again.
  // Wipes all names and values: a form may have brought a password or a secret. What find() gave is zeros then.
  void wipe();

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// One text as a value of a form or a query.
std::string form_encoded(std::string_view text);

}  // namespace keepgate::oauth

// The airlock: header fields that may carry identity, when an outsider sends them, in whatever spelling, are gone.
//
// Names compare without case and with '-', '_', '.' and every other character that is no letter and no digit equal.
// Txn-Token, Client-Cert and Client-Cert-Chain (RFC 9440) are always among them.
// Thread rule: immutable after build.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "http/head.h"

namespace keepgate::identity {

class Airlock {
 public:
  Airlock();
  // Adds a name of directive identity_headers.
  void add(std::string_view name);
  // Does an outsider's field of this name have to go? Fast for the names that do not (the common case).
  bool strips(std::string_view name) const { return may_strip(name) && lists(name); }
  const std::vector<std::string>& names() const { return names_; }

 private:
  // What a service makes of a name: CGI, WSGI and PHP each fold other characters into one, so all but letters and
  // digits count as one here.
  static constexpr char fold(char c) { return is_alpha(c) || is_digit(c) ? to_lower(c) : '-'; }
  static std::uint64_t length_bit(std::size_t length) { return std::uint64_t{1} << std::min<std::size_t>(length, 63); }
  // Letters, digits and the rest share 64 bits; two characters on one bit cost a comparison, never a miss.
  static std::uint64_t first_bit(char folded) { return std::uint64_t{1} << (static_cast<unsigned char>(folded) & 63); }
  bool may_strip(std::string_view name) const {
    return !name.empty() && (lengths_ & length_bit(name.size())) != 0 && (firsts_ & first_bit(fold(name.front()))) != 0;
  }
  bool lists(std::string_view name) const;

  std::vector<std::string> names_;  // Folded: lower case, '-' for '_' and '.'.
  std::uint64_t lengths_ = 0;       // Bit n: a name of length n (63: longer) is listed.
  std::uint64_t firsts_ = 0;        // Bit n: a name whose first character has n in its low six bits is listed.
};

}  // namespace keepgate::identity

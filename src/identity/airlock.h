// The airlock: header fields that may carry identity, when an outsider sends them, in whatever spelling, are gone.
//
// Names compare without case and with '-', '_', '.' and every other character that is no letter and no digit equal.
// Txn-Token is always among them at a gateway, and so are Client-Cert and Client-Cert-Chain (RFC 9440 §4) everywhere.
// Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"

namespace keepgate::identity {

class Airlock {
 public:
  Airlock();
  // Adds a name of directive identity_headers.
  void add(std::string_view name);
  // Does an outsider's field of this name have to go? Fast for the names that do not (the common case).
  bool strips(std::string_view name) const;
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;  // Folded: lower case, '-' for '_' and '.'.
  std::uint64_t lengths_ = 0;       // Bit n: a name of length n (63: longer) is listed.
  std::uint64_t firsts_ = 0;        // Bit n: a name whose first character has n in its low six bits is listed.
};

}  // namespace keepgate::identity

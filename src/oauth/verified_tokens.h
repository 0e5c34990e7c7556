// VerifiedTokens: access tokens of ours whose signature was checked already. May change the cost of an answer, never
// the answer: expiry and revocation are looked at behind it, each time.
//
// Thread rule: callable from any thread (locks of parts, held for a comparison). Bounds: entries_max tokens of at most
// token_bytes_max; a new one takes the place of another. An entry answers only for the key ring that verified it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/digest.h"
#include "oauth/access_token.h"

namespace keepgate::oauth {

struct VerifiedToken {
  OwnToken token;
  std::string introspection;  // What is said of it while it is active (RFC 7662 §2.2).
};

class VerifiedTokens {
 public:
  static constexpr std::size_t entries_max = 8192;
  static constexpr std::size_t token_bytes_max = 4096;

  VerifiedTokens() : entries_(entries_max) {}

  // As read_access_token(); what has held is remembered.
  Result<std::shared_ptr<const VerifiedToken>> read(std::string_view token, const Settings& settings,
                                                    const std::shared_ptr<const KeyRing>& keys, Now now);

 private:
  struct Entry {
    std::string text;
    std::shared_ptr<const KeyRing> keys;
    std::shared_ptr<const VerifiedToken> value;
  };
  static constexpr std::size_t locks = 64;

  crypto::SipKey key_ = crypto::SipKey::random();
  std::array<std::mutex, locks> mutexes_;  // Entry i belongs to the lock i % locks.
  std::vector<Entry> entries_;
};

}  // namespace keepgate::oauth

// ProvenClients: which client has proven itself from which network lately.
//
// Thread rule: callable from any thread; no locks, so that it costs a token next to nothing. Memory alone and keyed
// hashes alone: a restart forgets. Bounds: entries_max; where two want one place the later has it, and the other is a
// stranger until it proves itself again. A wrong yes needs two hashes of 40 bits that agree.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "crypto/digest.h"

namespace keepgate::oauth {

class ProvenClients {
 public:
  static constexpr std::size_t entries_max = 65'536;
  static constexpr std::int64_t lifetime_hours = 30 * 24;

  ProvenClients() : entries_(std::make_unique<std::atomic<std::uint64_t>[]>(entries_max)) {}

  bool knows(std::string_view client, std::string_view network, std::int64_t now_ms) const;
  void remember(std::string_view client, std::string_view network, std::int64_t now_ms);

 private:
  std::uint64_t hash(std::string_view client, std::string_view network) const;

  crypto::SipKey key_ = crypto::SipKey::random();
  std::unique_ptr<std::atomic<std::uint64_t>[]> entries_;  // 40 bits of the hash, 24 of the hour and one; 0: nobody.
};

}  // namespace keepgate::oauth

// KnownPlaces: from where an account signed in well lately: browsers (by their random cookie) and networks.
//
// Only a whole sign-in enters something, and each account has room of its own: nobody can push out the places of
// somebody else but by signing in to more than accounts_max accounts. Nothing but keyed hashes is kept, in memory
// alone: a restart forgets, and then everybody is a stranger once. Thread rule: callable from any thread. Bounds:
// accounts_max, places_max each, lifetime_ms.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "crypto/digest.h"

namespace keepgate::oauth {

class KnownPlaces {
 public:
  static constexpr std::size_t accounts_max = 65'536;
  static constexpr std::size_t places_max = 8;  // The one that was seen longest ago goes.
  static constexpr std::int64_t lifetime_ms = std::int64_t{30} * 24 * 3600 * 1000;

  KnownPlaces();
  ~KnownPlaces();
  KnownPlaces(const KnownPlaces&) = delete;
  KnownPlaces& operator=(const KnownPlaces&) = delete;

  bool knows(std::string_view account, std::string_view place, std::int64_t now_ms) const;
  void remember(std::string_view account, std::string_view place, std::int64_t now_ms);
  std::size_t account_count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::oauth

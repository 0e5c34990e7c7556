// nginx's split_clients { }: parts clients into groups by a hash of a text: the same text is always in the same group.
//
// The arithmetic is nginx's (MurmurHash2, 32 bits), so that a client stays in its group when the program is changed.
// Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "route/template.h"

namespace keepgate::route {

std::uint32_t murmur_hash2(std::string_view text);

class SplitClients {
 public:
  static constexpr std::uint32_t whole = 10'000;  // 100 %, in hundredths of a percent.

  std::string name;  // Without '$'.
  Template source;

  // A share, in hundredths of a percent; 0: all that is left ("*"). false: more than 100 % together.
  bool add(std::uint32_t share, std::string value);
  // "" for what no group has.
  const std::string& lookup(std::string_view text) const;

 private:
  struct Group {
    std::uint32_t last = 0;  // Up to this hash, exclusive; 0: all the rest.
    std::string value;
  };
  std::vector<Group> groups_;
  std::uint32_t sum_ = 0;
  std::uint32_t last_ = 0;
};

}  // namespace keepgate::route

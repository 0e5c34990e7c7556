// allow and deny: rules on the client's address, in their order; the first that matches decides, as in nginx.
// Thread rule: immutable once built.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/cidr.h"

namespace keepgate::auth {

enum class AddressVerdict : std::uint8_t { denied = 0, allowed, none /* no rule is about it */ };

class AddressRules {
 public:
  enum class Who : std::uint8_t { network = 0, unix_socket, everybody };

  void add(bool allows, Who who, const Cidr& network = {});
  bool empty() const { return rules_.empty(); }
  // `address`: 4 or 16 bytes; empty for a Unix socket.
  AddressVerdict judge(std::string_view address) const;

 private:
  struct Rule {
    bool allows = false;
    Who who = Who::network;
    CidrSet network;
  };
  std::vector<Rule> rules_;
};

}  // namespace keepgate::auth

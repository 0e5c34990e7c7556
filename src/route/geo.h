// nginx's geo { }: a text by address. By networks the most specific wins; by ranges of IPv4 addresses the last written.
//
// Cost: one lookup for each length of a network that occurs, or one for all ranges. Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cidr.h"
#include "route/template.h"

namespace keepgate::route {

// "10.0.0.1-10.0.0.9": first and last, in host order. Nothing if it is no range.
std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_address_range(std::string_view text);

class Geo {
 public:
  std::string name;                   // Without '$'.
  std::optional<VariableRef> source;  // Whose text is the address; nothing: the client's.

  // false: the network has a value already; the new one holds, as in nginx.
  bool add(const Cidr& network, std::string value);
  // false: there was none.
  bool remove(const Cidr& network);
  void add_range(std::uint32_t first, std::uint32_t last, std::string value);
  void remove_range(std::uint32_t first, std::uint32_t last);
  void set_default(std::string value) { default_ = std::move(value); }

  // `address`: 4 or 16 bytes; an IPv4 address that is written as IPv6 counts as itself. Others are 255.255.255.255.
  const std::string& lookup(std::string_view address) const;
  // The same for "10.0.0.1" or "2001:db8::1".
  const std::string& lookup_text(std::string_view text) const;

 private:
  using Values = std::map<std::string, std::string, std::less<>>;            // By the bytes of the network's address.
  using Lengths = std::map<unsigned, Values, std::greater<>>;                // By the length of the network.
  void assign(std::uint32_t first, std::uint32_t last, std::int32_t index);  // -1: the default.

  Lengths four_, six_;
  std::map<std::uint32_t, std::int32_t> ranges_;  // From this address on → index into range_values_, or -1.
  std::vector<std::string> range_values_;
  std::string default_;
};

}  // namespace keepgate::route

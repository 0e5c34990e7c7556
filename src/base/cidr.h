// Networks ("10.0.0.0/8", "2001:db8::/32") and sets of them, over raw addresses of 4 or 16 bytes in network order.
//
// An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is the IPv4 address everywhere here. Thread rule: plain
// values; a set is read from any thread once it is built. Cost of contains(): a binary search.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace keepgate {

struct Cidr {
  std::array<std::uint8_t, 16> bytes{};  // The first `byte_count` of them.
  unsigned byte_count = 0;               // 4 or 16.
  unsigned prefix_bits = 0;
  bool has_host_bits = false;  // As written there were bits behind the prefix; they are cleared.

  // An address or ADDRESS/BITS, without brackets. Nothing if it is no network.
  static std::optional<Cidr> parse(std::string_view text);
};

class CidrSet {
 public:
  void add(const Cidr& network);
  bool empty() const { return four_.empty() && six_.empty(); }
  // `address`: 4 or 16 bytes. Anything else is in no set.
  bool contains(std::string_view address) const;

 private:
  template <std::size_t N>
  using Bytes = std::array<std::uint8_t, N>;  // In network order: they compare like numbers.
  template <std::size_t N>
  struct Range {
    Bytes<N> first, last;
  };
  template <std::size_t N>
  static void insert(std::vector<Range<N>>& ranges, const Cidr& network);
  template <std::size_t N>
  static bool find(const std::vector<Range<N>>& ranges, const char* address);

  // INVARIANT: in order, and no two overlap.
  std::vector<Range<4>> four_;
  std::vector<Range<16>> six_;
};

}  // namespace keepgate

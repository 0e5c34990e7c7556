#include "base/cidr.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace keepgate {

namespace {

constexpr unsigned mapped_bits = 96;  // RFC 4291 §2.5.5.2: ::ffff:0:0/96.
constexpr std::size_t address_text_max = 64;

template <typename Byte>
bool is_mapped(const Byte* address) {
  const auto* six = reinterpret_cast<const std::uint8_t*>(address);
  return std::all_of(six, six + 10, [](std::uint8_t byte) { return byte == 0; }) && six[10] == 0xff && six[11] == 0xff;
}

// Clears the bits behind the prefix; tells whether there were any.
bool clear_host_bits(Cidr& network) {
  bool any = false;
  for (unsigned bit = network.prefix_bits; bit < network.byte_count * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> bit % 8);
    any = any || (network.bytes[bit / 8] & mask) != 0;
    network.bytes[bit / 8] &= static_cast<std::uint8_t>(~mask);
  }
  return any;
}

}  // namespace

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  char terminated[address_text_max];
  if (address.size() >= sizeof terminated || address.find('\0') != std::string_view::npos) return std::nullopt;
  *std::copy(address.begin(), address.end(), terminated) = '\0';
  Cidr out;
  if (::inet_pton(AF_INET, terminated, out.bytes.data()) == 1) {
    out.byte_count = 4;
  } else if (::inet_pton(AF_INET6, terminated, out.bytes.data()) == 1) {
    out.byte_count = 16;
  } else {
    return std::nullopt;
  }
  out.prefix_bits = out.byte_count * 8;
  if (slash != std::string_view::npos) {
    const auto bits = parse_unsigned<unsigned>(text.substr(slash + 1));
    if (!bits || *bits > out.prefix_bits) return std::nullopt;
    out.prefix_bits = *bits;
  }
  if (out.byte_count == 16 && out.prefix_bits >= mapped_bits && is_mapped(out.bytes.data())) {
    std::memmove(out.bytes.data(), out.bytes.data() + 12, 4);
    out.byte_count = 4;
    out.prefix_bits -= mapped_bits;
  }
  out.has_host_bits = clear_host_bits(out);
  return out;
}

// Whatever the new range overlaps becomes one with it.
template <std::size_t N>
void CidrSet::insert(std::vector<Range<N>>& ranges, const Cidr& network) {
  Range<N> added;
  std::copy_n(network.bytes.begin(), N, added.first.begin());
  added.last = added.first;
  for (unsigned bit = network.prefix_bits; bit < N * 8; ++bit) {
    added.last[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  }
  const auto begin =
      std::find_if(ranges.begin(), ranges.end(), [&](const Range<N>& one) { return one.last >= added.first; });
  const auto end = std::find_if(begin, ranges.end(), [&](const Range<N>& one) { return one.first > added.last; });
  if (begin != end) {
    added.first = std::min(added.first, begin->first);
    added.last = std::max(added.last, std::prev(end)->last);
  }
  ranges.insert(ranges.erase(begin, end), added);
}

template <std::size_t N>
bool CidrSet::find(const std::vector<Range<N>>& ranges, const char* address) {
  Bytes<N> wanted;
  std::memcpy(wanted.data(), address, N);
  const auto behind = std::upper_bound(ranges.begin(), ranges.end(), wanted,
                                       [](const Bytes<N>& value, const Range<N>& one) { return value < one.first; });
  return behind != ranges.begin() && wanted <= std::prev(behind)->last;
}

void CidrSet::add(const Cidr& network) {
  if (network.byte_count == 4) insert(four_, network);
  if (network.byte_count == 16) insert(six_, network);
}

bool CidrSet::contains(std::string_view address) const {
  if (address.size() == 4) return find(four_, address.data());
  if (address.size() != 16) return false;
  return is_mapped(address.data()) ? find(four_, address.data() + 12) : find(six_, address.data());
}

}  // namespace keepgate

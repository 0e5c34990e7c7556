#include "route/geo.h"

#include <algorithm>
#include <array>
#include <utility>

namespace keepgate::route {

namespace {

constexpr std::size_t four_bytes = 4, sixteen_bytes = 16;
constexpr std::string_view nobody = "\xff\xff\xff\xff";  // 255.255.255.255

std::uint32_t number_of(std::string_view four) {
  std::uint32_t out = 0;
  for (const char c : four) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

std::string bytes_of(const Cidr& network) {
  return {reinterpret_cast<const char*>(network.bytes.data()), network.byte_count};
}

// The first `bits` of an address; what follows is zero.
std::string_view masked(std::string_view address, unsigned bits, std::array<char, sixteen_bytes>& place) {
  for (std::size_t i = 0; i < address.size(); ++i) {
    const unsigned left = bits > 8 * i ? bits - static_cast<unsigned>(8 * i) : 0;
    const unsigned mask = left >= 8 ? 0xffU : 0xffU << (8 - left) & 0xffU;
    place[i] = static_cast<char>(static_cast<unsigned char>(address[i]) & mask);
  }
  return {place.data(), address.size()};
}

// ::ffff:a.b.c.d is a.b.c.d.
std::string_view as_ipv4(std::string_view address) {
  constexpr std::string_view prefix("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  return address.size() == sixteen_bytes && address.starts_with(prefix) ? address.substr(prefix.size()) : address;
}

}  // namespace

std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_address_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = Cidr::parse(text.substr(0, dash)), last = Cidr::parse(text.substr(dash + 1));
  const auto is_address = [](const std::optional<Cidr>& one) {
    return one && one->byte_count == four_bytes && one->prefix_bits == 32;
  };
  if (!is_address(first) || !is_address(last) || text.find('/') != std::string_view::npos) return std::nullopt;
  const std::pair range(number_of(bytes_of(*first)), number_of(bytes_of(*last)));
  return range.first <= range.second ? std::optional(range) : std::nullopt;
}

bool Geo::add(const Cidr& network, std::string value) {
  Lengths& lengths = network.byte_count == four_bytes ? four_ : six_;
  return lengths[network.prefix_bits].insert_or_assign(bytes_of(network), std::move(value)).second;
}

bool Geo::remove(const Cidr& network) {
  Lengths& lengths = network.byte_count == four_bytes ? four_ : six_;
  const auto found = lengths.find(network.prefix_bits);
  if (found == lengths.end() || found->second.erase(bytes_of(network)) == 0) return false;
  if (found->second.empty()) lengths.erase(found);
  return true;
}

void Geo::assign(std::uint32_t first, std::uint32_t last, std::int32_t index) {
  const auto index_at = [&](std::uint32_t address) {
    const auto after = ranges_.upper_bound(address);
    return after == ranges_.begin() ? -1 : std::prev(after)->second;
  };
  const bool reaches_end = last == UINT32_MAX;
  const std::int32_t behind = reaches_end ? -1 : index_at(last + 1);
  ranges_.erase(ranges_.lower_bound(first), ranges_.upper_bound(last));
  ranges_[first] = index;
  if (!reaches_end) ranges_.emplace(last + 1, behind);
}

void Geo::add_range(std::uint32_t first, std::uint32_t last, std::string value) {
  assign(first, last, static_cast<std::int32_t>(range_values_.size()));
  range_values_.push_back(std::move(value));
}

void Geo::remove_range(std::uint32_t first, std::uint32_t last) { assign(first, last, -1); }

const std::string& Geo::lookup(std::string_view address) const {
  address = as_ipv4(address);
  if (address.size() != four_bytes && address.size() != sixteen_bytes) address = nobody;
  if (!ranges_.empty()) {
    if (address.size() != four_bytes) address = nobody;
    const auto after = ranges_.upper_bound(number_of(address));
    if (after == ranges_.begin() || std::prev(after)->second < 0) return default_;
    return range_values_[static_cast<std::size_t>(std::prev(after)->second)];
  }
  std::array<char, sixteen_bytes> place;
  for (const auto& [bits, values] : address.size() == four_bytes ? four_ : six_) {
    if (const auto found = values.find(masked(address, bits, place)); found != values.end()) return found->second;
  }
  return default_;
}

const std::string& Geo::lookup_text(std::string_view text) const {
  const auto address = Cidr::parse(text);
  const bool is_address =
      address && address->prefix_bits == 8 * address->byte_count && text.find('/') == std::string_view::npos;
  return lookup(is_address ? bytes_of(*address) : nobody);
}

}  // namespace keepgate::route

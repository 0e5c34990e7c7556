#include "upstream/hash.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace keepgate::upstream {

namespace {

// CRC-32 of ISO 3309, as in Ethernet and zip.
constexpr auto crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0);
    table[i] = value;
  }
  return table;
}();

constexpr std::uint32_t crc_start = 0xFFFFFFFFU;

std::uint32_t crc_over(std::uint32_t crc, std::string_view text) {
  for (const char c : text) crc = crc_table[(crc ^ static_cast<std::uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  return crc;
}

struct HostPort {
  std::string_view host, port;
};

// The port is what follows the last colon, if that is digits; a Unix path has none.
HostPort split(std::string_view name) {
  constexpr std::string_view unix_prefix = "unix:";
  if (name.starts_with(unix_prefix)) return {name.substr(unix_prefix.size()), {}};
  const std::size_t last = name.find_last_not_of("0123456789");
  if (last == std::string_view::npos || name[last] != ':') return {name, {}};
  return {name.substr(0, last), name.substr(last + 1)};
}

}  // namespace

std::uint32_t crc32(std::string_view text) { return ~crc_over(crc_start, text); }

std::uint32_t AddressHash::next() {
  for (const char c : bytes_) hash_ = (hash_ * 113 + static_cast<std::uint8_t>(c)) % 6271;
  return hash_;
}

std::uint32_t KeyHash::next() {
  std::uint32_t crc = crc_start;
  if (round_ > 0) {
    char digits[10];
    const auto end = std::to_chars(digits, digits + sizeof digits, round_).ptr;
    crc = crc_over(crc, {digits, static_cast<std::size_t>(end - digits)});
  }
  ++round_;
  hash_ += (~crc_over(crc, key_) >> 16) & 0x7FFF;
  return hash_;
}

Ring::Ring(std::span<const Owner> owners) {
  std::uint32_t number = 0;
  for (const Owner& owner : owners) {
    const std::size_t points = std::size_t{owner.weight} * points_per_weight;
    if (points_.size() + points > points_max) break;
    add(owner.name, points, number++);
  }
  // Of two points in one place the owner that stands first keeps it.
  std::ranges::stable_sort(points_, {}, &Point::hash);
  const auto repeated = std::ranges::unique(points_, {}, &Point::hash);
  points_.erase(repeated.begin(), repeated.end());
}

void Ring::add(std::string_view name, std::size_t points, std::uint32_t owner) {
  const auto [host, port] = split(name);
  const std::uint32_t base = crc_over(crc_over(crc_over(crc_start, host), std::string_view("\0", 1)), port);
  std::uint32_t previous = 0;
  for (std::size_t i = 0; i < points; ++i) {
    const char bytes[4] = {static_cast<char>(previous), static_cast<char>(previous >> 8),
                           static_cast<char>(previous >> 16), static_cast<char>(previous >> 24)};
    previous = ~crc_over(base, {bytes, sizeof bytes});
    points_.push_back({previous, owner});
  }
}

std::size_t Ring::find(std::string_view key) const {
  const auto at = std::ranges::lower_bound(points_, crc32(key), {}, &Point::hash);
  return static_cast<std::size_t>(at - points_.begin());
}

}  // namespace keepgate::upstream

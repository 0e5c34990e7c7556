// The hashes by which nginx spreads keys over servers, so that a client lands where nginx would have sent it.
//
// None of them is secret or hard to collide: they choose servers, they protect nothing. Thread rule: pure functions;
// a Ring is immutable. Source: the facts of nginx's hash and ip_hash (Cache::Memcached and Cache::Memcached::Fast).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace keepgate::upstream {

std::uint32_t crc32(std::string_view text);

// `ip_hash`: the first three bytes of an IPv4 address, all of an IPv6 one, three zeros for anything else.
class AddressHash {
 public:
  explicit AddressHash(std::string_view address) : bytes_(address.size() == 4 ? address.substr(0, 3) : address) {
    if (bytes_.empty()) bytes_ = std::string_view("\0\0\0", 3);
  }
  std::uint32_t next();  // Another value with every try.

 private:
  std::string_view bytes_;
  std::uint32_t hash_ = 89;
};

// `hash KEY`: the sum of the hashes of KEY, 1KEY, 2KEY …
class KeyHash {
 public:
  explicit KeyHash(std::string_view key) : key_(key) {}
  std::uint32_t next();

 private:
  std::string_view key_;
  std::uint32_t hash_ = 0;
  std::uint32_t round_ = 0;
};

// `hash KEY consistent`: 160 points a unit of weight on a circle; a key belongs to the next point.
class Ring {
 public:
  struct Owner {
    std::string_view name;  // As written: "10.0.0.1:80", "unix:/run/x.sock".
    unsigned weight = 1;
  };
  static constexpr unsigned points_per_weight = 160;
  static constexpr std::size_t points_max = 1'600'000;  // Owners beyond get no points.

  Ring() = default;
  explicit Ring(std::span<const Owner> owners);

  bool empty() const { return points_.empty(); }
  std::size_t point_count() const { return points_.size(); }
  std::size_t find(std::string_view key) const;  // The place of the key's point.
  // The owner of a place, as an index into `owners`. Places go round.
  std::size_t owner_at(std::size_t place) const { return points_[place % points_.size()].owner; }

 private:
  struct Point {
    std::uint32_t hash;
    std::uint32_t owner;
  };
  void add(std::string_view name, std::size_t points, std::uint32_t owner);
  std::vector<Point> points_;  // In order of their hashes, each once.
};

}  // namespace keepgate::upstream

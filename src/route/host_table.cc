#include "route/host_table.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <string>

#include "base/bytes.h"

namespace keepgate::route {

namespace {

// Lower-cases the eight ASCII bytes of a word at once: bit 5 is set where a byte lies in 'A'…'Z'.
constexpr std::uint64_t lower_word(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t high_bits = 0x80 * ones;
  const std::uint64_t low_seven = word & ~high_bits;
  const std::uint64_t from_a = low_seven + (0x80 - 'A') * ones;
  const std::uint64_t past_z = low_seven + (0x80 - 'Z' - 1) * ones;
  return word | ((from_a & ~past_z & ~word & high_bits) >> 2);
}

// Not keyed: what is stored comes from the configuration, so a client cannot make a chain long.
struct HashIgnoringCase {
  using is_transparent = void;
  using is_avalanching = void;
  std::size_t operator()(std::string_view text) const {
    std::uint64_t hash = 0x9e3779b97f4a7c15 ^ text.size();
    const auto mix = [&hash](std::uint64_t word) {
      __extension__ using Wide = unsigned __int128;
      const Wide product = static_cast<Wide>(hash ^ lower_word(word)) * 0xd6e8feb86659fd93;
      hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    };
    while (text.size() >= 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data(), 8);
      mix(word);
      text.remove_prefix(8);
    }
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < text.size(); ++i) last = last << 8 | static_cast<unsigned char>(text[i]);
    mix(last);
    mix(0);
    return hash;
  }
};

struct EqualIgnoringCase {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return equals_ignoring_case(a, b); }
};

struct Names {
  boost::unordered_flat_map<std::string, std::uint32_t, HashIgnoringCase, EqualIgnoringCase> values;
  std::size_t longest = 0;  // Longer names are not looked up: a 64 KB value of dots must not cost its square.

  bool holds(std::string_view name) const { return values.find(name) != values.end(); }
  void add(std::string_view name, std::uint32_t value) {
    values.emplace(std::string(name), value);
    longest = std::max(longest, name.size());
  }
  std::optional<std::uint32_t> find(std::string_view name) const {
    if (name.size() > longest || values.empty()) return std::nullopt;
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  }
};

bool has_odd_dots_or_stars(std::string_view labels) {
  return labels.empty() || labels.starts_with('.') || labels.ends_with('.') ||
         labels.find("..") != std::string_view::npos ||
         labels.find_first_of(std::string_view("*\0", 2)) != std::string_view::npos;
}

}  // namespace

bool is_suffix_wildcard(std::string_view name) {
  if (name.starts_with("*.")) return !has_odd_dots_or_stars(name.substr(2));
  return name.starts_with('.') && !has_odd_dots_or_stars(name.substr(1));
}

bool is_prefix_wildcard(std::string_view name) {
  return name.ends_with(".*") && !has_odd_dots_or_stars(name.substr(0, name.size() - 2));
}

struct HostTable::Impl {
  Names exact;
  Names suffixes;  // With their dot in front: ".example.com".
  Names prefixes;  // With their dot behind: "www.example.".
};

HostTable::HostTable() : impl_(std::make_unique<Impl>()) {}
HostTable::HostTable(HostTable&&) noexcept = default;
HostTable& HostTable::operator=(HostTable&&) noexcept = default;
HostTable::~HostTable() = default;

bool HostTable::add_exact(std::string_view name, std::uint32_t value) {
  if (impl_->exact.holds(name)) return false;
  impl_->exact.add(name, value);
  return true;
}

bool HostTable::add_suffix(std::string_view name, std::uint32_t value) {
  if (!is_suffix_wildcard(name)) return false;
  const bool with_bare_name = name.front() == '.';
  const std::string_view suffix = with_bare_name ? name : name.substr(1);
  const std::string_view bare = suffix.substr(1);
  if (impl_->suffixes.holds(suffix) || (with_bare_name && impl_->exact.holds(bare))) return false;
  impl_->suffixes.add(suffix, value);
  if (with_bare_name) impl_->exact.add(bare, value);
  return true;
}

bool HostTable::add_prefix(std::string_view name, std::uint32_t value) {
  if (!is_prefix_wildcard(name)) return false;
  const std::string_view prefix = name.substr(0, name.size() - 1);
  if (impl_->prefixes.holds(prefix)) return false;
  impl_->prefixes.add(prefix, value);
  return true;
}

std::optional<std::uint32_t> HostTable::find(std::string_view name) const {
  if (const auto value = impl_->exact.find(name)) return value;
  if (const std::size_t longest = impl_->suffixes.longest) {
    // From the longest candidate to the shortest: each starts at a dot.
    std::size_t dot = name.find('.', name.size() - std::min(name.size(), longest));
    for (; dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
      if (const auto value = impl_->suffixes.find(name.substr(dot))) return value;
    }
  }
  if (const std::size_t longest = impl_->prefixes.longest) {
    std::string_view prefix = name.substr(0, longest);
    for (std::size_t dot = prefix.rfind('.'); dot != std::string_view::npos; dot = prefix.rfind('.')) {
      if (const auto value = impl_->prefixes.find(prefix.substr(0, dot + 1))) return value;
      prefix = prefix.substr(0, dot);
    }
  }
  return std::nullopt;
}

}  // namespace keepgate::route

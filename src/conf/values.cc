#include "conf/values.h"

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "http/field.h"

namespace keepgate::conf {

namespace {

constexpr std::uint64_t value_max = std::numeric_limits<std::int64_t>::max();

std::optional<std::uint64_t> scaled(std::string_view text, bool with_g) {
  if (text.empty()) return std::nullopt;
  std::uint64_t scale = 1;
  switch (to_lower(text.back())) {
    case 'k':
      scale = 1 << 10;
      break;
    case 'm':
      scale = 1 << 20;
      break;
    case 'g':
      scale = with_g ? 1 << 30 : 1;
      break;
    default:
      break;
  }
  if (scale > 1) text.remove_suffix(1);
  const auto number = parse_unsigned<std::uint64_t>(text);
  if (!number || *number > value_max / scale) return std::nullopt;
  return *number * scale;
}

// From large to small: each unit may follow larger ones only.
enum class Unit : std::uint8_t { none = 0, year, month, week, day, hour, minute, second, millisecond, bare };

struct UnitRow {
  Unit unit = Unit::none;
  std::uint64_t seconds = 0;
};

UnitRow unit_of(char letter) {
  switch (letter) {
    case 'y':
      return {Unit::year, 365ULL * 24 * 3600};
    case 'M':
      return {Unit::month, 30ULL * 24 * 3600};
    case 'w':
      return {Unit::week, 7ULL * 24 * 3600};
    case 'd':
      return {Unit::day, 24ULL * 3600};
    case 'h':
      return {Unit::hour, 3600};
    case 'm':
      return {Unit::minute, 60};
    case 's':
      return {Unit::second, 1};
    case ' ':
      return {Unit::bare, 1};
    default:
      return {};
  }
}

bool take_number(std::string_view& text, std::uint64_t& value) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  const auto number = parse_unsigned<std::uint64_t>(text.substr(0, length));
  text.remove_prefix(length);
  value = number.value_or(0);
  return number && *number <= value_max;
}

std::optional<std::int64_t> parse_time(std::string_view text, bool milliseconds) {
  const std::uint64_t per_second = milliseconds ? 1000 : 1;
  Unit last = milliseconds ? Unit::month : Unit::none;
  std::uint64_t total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::uint64_t value = 0;
    if (!take_number(text, value)) return std::nullopt;
    UnitRow row = text.empty() ? UnitRow{Unit::bare, 1} : unit_of(text.front());
    std::uint64_t scale = row.seconds * per_second;
    if (!text.empty()) text.remove_prefix(1);
    if (row.unit == Unit::minute && text.starts_with('s')) {
      if (!milliseconds) return std::nullopt;
      text.remove_prefix(1);
      row.unit = Unit::millisecond;
      scale = 1;
    }
    const bool repeated_second = row.unit == Unit::bare && last >= Unit::second;
    if (row.unit == Unit::none || row.unit <= last || repeated_second) return std::nullopt;
    if (value > value_max / scale || value * scale > value_max - total) return std::nullopt;
    total += value * scale;
    last = row.unit;
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  return static_cast<std::int64_t>(total);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) { return scaled(text, false); }
std::optional<std::uint64_t> parse_offset(std::string_view text) { return scaled(text, true); }
std::optional<std::int64_t> parse_time_ms(std::string_view text) { return parse_time(text, true); }
std::optional<std::int64_t> parse_time_s(std::string_view text) { return parse_time(text, false); }

std::optional<bool> parse_flag(std::string_view text) {
  if (equals_ignoring_case(text, "on")) return true;
  if (equals_ignoring_case(text, "off")) return false;
  return std::nullopt;
}

bool is_field_name(std::string_view text) { return http::is_token(text); }

bool is_client_id(std::string_view text) {
  constexpr std::size_t bytes_max = 256;
  return !text.empty() && text.size() <= bytes_max &&
         std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace keepgate::conf

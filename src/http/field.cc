#include "http/field.h"

#include <array>
#include <cstring>

#include "base/bytes.h"
#include "http/chars.h"

namespace keepgate::http {

namespace {

struct KnownField {
  std::string_view name;  // Lower case.
  Field field;
};

constexpr KnownField known_fields[] = {
    {"connection", Field::connection},
    {"content-length", Field::content_length},
    {"expect", Field::expect},
    {"host", Field::host},
    {"http2-settings", Field::http2_settings},
    {"keep-alive", Field::keep_alive},
    {"proxy-authenticate", Field::proxy_authenticate},
    {"proxy-authentication-info", Field::proxy_authentication_info},
    {"proxy-authorization", Field::proxy_authorization},
    {"proxy-connection", Field::proxy_connection},
    {"te", Field::te},
    {"trailer", Field::trailer},
    {"transfer-encoding", Field::transfer_encoding},
    {"upgrade", Field::upgrade},
    {"accept", Field::accept},
    {"authorization", Field::authorization},
    {"content-type", Field::content_type},
    {"cookie", Field::cookie},
    {"date", Field::date},
    {"forwarded", Field::forwarded},
    {"location", Field::location},
    {"server", Field::server},
    {"txn-token", Field::txn_token},
    {"user-agent", Field::user_agent},
    {"www-authenticate", Field::www_authenticate},
    {"x-forwarded-for", Field::x_forwarded_for},
    {"x-pad", Field::x_pad},
};
constexpr std::string_view x_accel_prefix = "x-accel-";
constexpr std::size_t name_bytes_max = 25;
constexpr std::size_t row_count = std::size(known_fields) + 1;  // Row 0 is nobody's.

// A name to compare with, eight bytes at a time: (byte | mask) == want. The mask has 0x20 under letters only, so the
// comparison is exact: no other byte can fold into a letter of `want`.
struct Pattern {
  char want[32] = {};
  char mask[32] = {};
  std::uint8_t size = 0;
  Field field = Field::other;
};

struct Tables {
  std::array<Pattern, row_count> patterns{};
  std::array<std::array<std::uint8_t, 26>, name_bytes_max + 1> slot{};  // [length][first letter] → row, 0 = none.
};

consteval Pattern make_pattern(const KnownField& known) {
  Pattern pattern;
  for (std::size_t i = 0; i < known.name.size(); ++i) {
    pattern.want[i] = known.name[i];
    pattern.mask[i] = is_alpha(known.name[i]) ? 0x20 : 0;
  }
  pattern.size = static_cast<std::uint8_t>(known.name.size());
  pattern.field = known.field;
  return pattern;
}

consteval Tables make_tables() {
  Tables tables;
  std::uint8_t row = 1;
  for (const KnownField& known : known_fields) {
    tables.patterns[row] = make_pattern(known);
    std::uint8_t& slot = tables.slot[known.name.size()][static_cast<std::size_t>(known.name[0] - 'a')];
    if (slot != 0) throw "two names with one length and first letter: field_of() needs a second key";
    slot = row++;
  }
  return tables;
}

constexpr Tables tables = make_tables();

template <typename Word>
bool matches_word(const char* name, const Pattern& pattern, std::size_t at) {
  Word bytes, mask, want;
  std::memcpy(&bytes, name + at, sizeof bytes);
  std::memcpy(&mask, pattern.mask + at, sizeof mask);
  std::memcpy(&want, pattern.want + at, sizeof want);
  return static_cast<Word>(bytes | mask) == want;
}

// `name` has pattern.size bytes. The last word overlaps the one before it.
bool matches(const char* name, const Pattern& pattern) {
  const std::size_t size = pattern.size;
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      if (!matches_word<std::uint64_t>(name, pattern, at)) return false;
    }
    return matches_word<std::uint64_t>(name, pattern, size - 8);
  }
  if (size >= 4) {
    return matches_word<std::uint32_t>(name, pattern, 0) && matches_word<std::uint32_t>(name, pattern, size - 4);
  }
  return size == 2 && matches_word<std::uint16_t>(name, pattern, 0);
}
static_assert([] {
  for (const KnownField& known : known_fields) {
    if (known.name.size() == 1 || known.name.size() == 3 || known.name.size() > name_bytes_max) return false;
  }
  return true;
}());

constexpr Pattern x_accel_pattern = make_pattern({x_accel_prefix, Field::x_accel});
static_assert(x_accel_pattern.size == 8);

bool is_x_accel(std::string_view name) {
  return name.size() >= x_accel_prefix.size() && matches_word<std::uint64_t>(name.data(), x_accel_pattern, 0);
}

}  // namespace

Field field_of(std::string_view name) {
  if (name.empty()) return Field::other;
  const unsigned letter = (static_cast<unsigned char>(name[0]) | 0x20U) - 'a';
  if (letter >= 26) return Field::other;
  if (name.size() <= name_bytes_max) {
    const Pattern& pattern = tables.patterns[tables.slot[name.size()][letter]];
    if (pattern.size != 0 && matches(name.data(), pattern)) return pattern.field;
  }
  return letter == 'x' - 'a' && is_x_accel(name) ? Field::x_accel : Field::other;
}

bool is_token(std::string_view text) {
  return !text.empty() && skip_class(text.data(), text.data() + text.size(), char_token) == text.data() + text.size();
}

bool is_field_value(std::string_view text) {
  return skip_value(text.data(), text.data() + text.size()) == text.data() + text.size();
}

}  // namespace keepgate::http

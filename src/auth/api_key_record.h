// A line of a key file: one key as it is known on the server's side. Never the key itself, only its keyed hash.
//
// A key file begins with a line `keepgate-api-keys 1 CHECK`, where CHECK tells whether the secret at hand is the one
// that the hashes were made with. Each further line has 13 columns with tabs between them, an empty one for "none":
//   id hash created not-before expires revoked successor client user roles scopes owner note
// Times are seconds since 1970, roles stand between commas, scopes between spaces. A later line with the id of an
// earlier one replaces it: changes are appended. A last line without its newline is not there yet.
// Thread rule: pure functions. Bounds: line_bytes_max. Messages never quote the line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/api_key.h"
#include "base/error.h"

namespace keepgate::auth {

inline constexpr std::size_t api_key_line_bytes_max = 8 * 1024;
inline constexpr std::size_t api_key_list_max = 64;  // Roles, and scopes, of one key.

// The texts point into the line that was parsed. A time of 0 is "none".
struct ApiKeyRecord {
  std::string_view id;
  ApiKeyHash hash{};
  std::int64_t created_s = 0;
  std::int64_t not_before_s = 0;
  std::int64_t expires_s = 0;
  std::int64_t revoked_s = 0;
  std::string_view successor;  // The id of the key that replaces it.
  std::string_view client, user;
  std::string_view roles, scopes;
  std::string_view owner, note;
  std::string_view identity;  // Of a parsed line: the columns client to scopes as they stand there.
};

// Without the newline. Refused: what does not have this form, names nobody, or holds a text that may name nobody.
Result<ApiKeyRecord> parse_api_key_record(std::string_view line);
// With the newline. What it writes can be read back: the same rules hold.
Result<std::string> write_api_key_record(const ApiKeyRecord& record);

std::string api_key_file_head(std::string_view secret);  // With its newline.
Result<void> check_api_key_file_head(std::string_view line, std::string_view secret);

// The text of a secret file: 256 random bits; what is hashed with are the bytes. The caller wipes both.
std::string make_api_key_secret();
Result<std::string> parse_api_key_secret(std::string_view text);

// What a key is good for at this moment. Zero: nothing.
enum class ApiKeyState : std::uint8_t { unknown = 0, revoked, expired, not_yet, active };
std::string_view name_of(ApiKeyState state);
ApiKeyState state_of(std::int64_t not_before_s, std::int64_t expires_s, bool is_revoked, std::int64_t now_s);

}  // namespace keepgate::auth

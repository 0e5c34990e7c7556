// What the claims of any token of ours have in common: times, and texts that may name somebody.
//
// Thread rule: pure functions. Failures are Error{malformed, client, "bad_claim"}; the detail names the claim and
// never shows its value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/json.h"
#include "crypto/jws.h"

namespace keepgate::auth {

inline constexpr std::size_t identity_bytes_max = 1024;
inline constexpr crypto::JsonLimits payload_limits{
    .bytes_max = crypto::token_bytes_max, .depth_max = 16, .values_max = 4096};

// A token that is refused, and why: Error{refused, client, "bad_token"}.
std::unexpected<Error> bad_token(std::string detail);

// RFC 7519 §2 NumericDate: a number below 2^53 in size; a string is refused (§4.1.4: MUST be a number). Seconds are
// whole here: a fraction is dropped for `exp` and rounded up for `nbf`, so that it never lengthens a token's life.
enum class Rounding : std::uint8_t { down = 0, up };
Result<std::optional<std::int64_t>> numeric_date(const crypto::Json& payload, std::string_view claim,
                                                 Rounding rounding = Rounding::down);

// May this text name a client, a user, a role or a scope? Not empty, at most identity_bytes_max, UTF-8, no control
// characters (C0, DEL, C1), no line separators, no marks that turn the direction of text, no space at either end: it
// goes into header fields and logs as it is, and must read there as what it is.
bool is_identity_text(std::string_view text);

// A list of such texts: an array of strings, or one string separated by spaces (and by commas if `commas`). Absent: {}.
// An element of an array with a comma (roles) or a space (scopes) in it is refused: it would read as two.
enum class ListKind : std::uint8_t { roles = 0, scopes };
Result<std::vector<std::string>> identity_list(const crypto::Json& object, std::string_view claim, ListKind kind);

}  // namespace keepgate::auth

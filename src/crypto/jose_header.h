// What the protected headers of JWS and JWE have in common (RFC 7515 §4.1, RFC 7516 §4.1). Private to this room.
//
// Closed header set: `crit`, `b64` and `zip` change what a token means, `jwk`, `jku`, `x5u` and `x5c` bring their own
// key: each refuses the token, and an address in it is never fetched. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/json.h"
#include "crypto/jws.h"

namespace keepgate::crypto {

inline constexpr JsonLimits header_limits{.bytes_max = token_bytes_max, .depth_max = 4, .values_max = 256};

// For the base64url parts that a compact serialisation has between its dots.
std::unexpected<Error> bad_jose(std::string detail);

// The header as an object, its members of the right types. Everything but `alg` (and `enc`) is checked. With
// HeaderRule::with_key there has to be a `jwk`, which is an object.
Result<Json> read_jose_header(std::string_view text, HeaderRule rule = HeaderRule::closed);

// The value of a member that has to be there and a string.
Result<std::string_view> required_text(const Json& header, std::string_view name);

}  // namespace keepgate::crypto

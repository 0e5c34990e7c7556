// From the numbers of a JWK to OpenSSL keys, with every check that needs the numbers. Private to this room.
//
// Thread rule: pure functions. Failures are Error{refused, configuration, "bad_key"} with a detail that names the
// member at fault and never shows its value.
#pragma once

#include <string_view>

#include "crypto/algorithms.h"
#include "crypto/json.h"
#include "crypto/openssl.h"

namespace keepgate::crypto {

// `with_private`: take the private members too, and prove that they fit the public ones.
Result<PkeyPtr> rsa_key(const Json& jwk, bool with_private);
Result<PkeyPtr> ec_key(const Json& jwk, const CurveRow& curve, bool with_private);
Result<PkeyPtr> okp_key(const Json& jwk, const EdwardsRow& curve, bool with_private);

// The order of the key's curve as `bytes` big-endian bytes.
std::string curve_order(const EVP_PKEY* key, std::size_t bytes);

inline constexpr JsonLimits key_limits{.bytes_max = 64 * 1024, .depth_max = 8, .values_max = 512};

std::unexpected<Error> bad_key(std::string detail);
// A key that may be sound and is not for us: Error{unsupported, configuration, "unsupported_key"}.
std::unexpected<Error> unsupported(std::string detail);
// The decoded bytes of a member that has to be a base64url string.
Result<std::string> binary_member(const Json& jwk, std::string_view name);

}  // namespace keepgate::crypto

// base64 (RFC 4648 §4), strict: the exact alphabet, no white space, and the bits that encode nothing are zero.
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/secret.h"

namespace keepgate::crypto {

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);  // With its padding.

// Of credentials and stored hashes: the padding is whole or not there at all, as some clients leave it out. What it
// decodes may be a password, so it is wiped when it goes.
std::optional<SecretText> base64_decode_secret(std::string_view text);

}  // namespace keepgate::crypto

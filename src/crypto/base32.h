// base32 (RFC 4648 §6) of secrets that people copy: capitals without padding when written; small letters, spaces
// between groups and whole padding are read as well. Thread rule: pure functions. What is decoded is wiped when it
// goes.
#pragma once

#include <optional>
#include <string_view>

#include "crypto/secret.h"

namespace keepgate::crypto {

SecretText base32_encode(std::string_view bytes);
// Nothing for any other byte, for a length that no bytes have, and where bits that encode nothing are not zero.
std::optional<SecretText> base32_decode_secret(std::string_view text);

}  // namespace keepgate::crypto

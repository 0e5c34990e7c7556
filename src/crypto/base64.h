// base64 with padding (RFC 4648 §4), strict: the exact alphabet, its padding, no white space, and the bits that encode
// nothing are zero. Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keepgate::crypto {

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace keepgate::crypto

// base64url without padding, strict (RFC 4648 §5, RFC 7515 §2): the exact alphabet, no padding, no white space, and the
// unused low bits of the last character must be zero, so that each byte string has one spelling. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keepgate::crypto {

std::string base64url_encode(std::string_view bytes);
void append_base64url(std::string& out, std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace keepgate::crypto

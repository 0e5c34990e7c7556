#include "crypto/base64.h"

#include <algorithm>

#include "crypto/base64url.h"

namespace keepgate::crypto {

namespace {

void replace_each(std::string& text, char from_a, char to_a, char from_b, char to_b) {
  std::ranges::replace(text, from_a, to_a);
  std::ranges::replace(text, from_b, to_b);
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out = base64url_encode(bytes);
  replace_each(out, '-', '+', '_', '/');
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0 || text.find_first_of("-_") != text.npos) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string url(text);
  replace_each(url, '+', '-', '/', '_');
  return base64url_decode(url);
}

}  // namespace keepgate::crypto

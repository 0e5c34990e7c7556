#include "issuer/client_secret.h"

#include <cstring>

#include "base/bytes.h"
#include "crypto/base64.h"

namespace keepgate::issuer {

namespace {

void wipe_text(std::string& text) { ::explicit_bzero(text.data(), text.size()); }

}  // namespace

void append_form(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '*') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      const auto byte = static_cast<unsigned char>(c);
      append(out, '%', digits[byte >> 4], digits[byte & 15]);
    }
  }
}

fetch::Header client_secret_basic(std::string_view client_id, std::string_view client_secret) {
  std::string pair;
  pair.reserve(2 + 3 * (client_id.size() + client_secret.size()));  // Grows no more: nothing of it is left behind.
  append_form(pair, client_id);
  pair += ':';
  append_form(pair, client_secret);
  std::string encoded = crypto::base64_encode(pair);
  fetch::Header out{"Authorization", cat("Basic ", encoded)};
  wipe_text(pair);
  wipe_text(encoded);
  return out;
}

}  // namespace keepgate::issuer

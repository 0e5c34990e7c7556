#include "crypto/totp.h"

#include "base/bytes.h"
#include "crypto/base32.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace keepgate::crypto {

namespace {

constexpr std::size_t sha1_bytes_of_totp = 20;
constexpr std::uint32_t code_modulus = 1'000'000;  // Ten to the power of totp_digits.

// RFC 3986 §2.3: what is not unreserved is encoded, spaces too: some programs read '+' as a plus.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view marks = "-._~", hex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_alpha(c) || is_digit(c) || marks.contains(c)) {
      out.push_back(c);
    } else {
      append(out, '%', hex[byte >> 4], hex[byte & 0xf]);
    }
  }
  return out;
}

}  // namespace

SecretText make_totp_secret() {
  SecretText out(totp_secret_bytes);
  random_bytes({reinterpret_cast<unsigned char*>(out.data()), out.size()});
  return out;
}

std::optional<SecretText> read_totp_secret(std::string_view base32) {
  std::optional<SecretText> secret = base32_decode_secret(base32);
  if (!secret || secret->size() < totp_secret_bytes_min || secret->size() > totp_secret_bytes_max) return std::nullopt;
  return secret;
}

// RFC 6238 §4.2 with T0 = 0. Before 1970 there is no code.
std::int64_t totp_step_at(std::int64_t wall_s) { return wall_s < 0 ? -1 : wall_s / totp_step_s; }

// RFC 4226 §5.3: the counter big-endian; the last nibble says which 31 bits count.
SecretText totp_code(std::string_view secret, std::int64_t step) {
  char counter[sizeof step];
  for (std::size_t i = 0; i < sizeof counter; ++i) {
    counter[i] = static_cast<char>(static_cast<std::uint64_t>(step) >> 8 * (sizeof counter - 1 - i) & 0xff);
  }
  unsigned char sum[digest_bytes_max];
  hmac(Hash::sha1, secret, {counter, sizeof counter}, sum);
  const std::size_t at = sum[sha1_bytes_of_totp - 1] & 0xf;
  std::uint32_t value = (std::uint32_t{sum[at]} & 0x7f) << 24 | std::uint32_t{sum[at + 1]} << 16 |
                        std::uint32_t{sum[at + 2]} << 8 | sum[at + 3];
  value %= code_modulus;
  SecretText out(totp_digits);
  for (std::size_t i = totp_digits; i > 0; --i, value /= 10) out.data()[i - 1] = static_cast<char>('0' + value % 10);
  wipe(sum, sizeof sum);
  return out;
}

// Every step of the window is worked out and compared, whatever matched before it.
std::optional<std::int64_t> matching_totp_step(std::string_view secret, std::string_view code, std::int64_t wall_s,
                                               std::int64_t last_used_step) {
  if (code.size() != totp_digits) return std::nullopt;
  const std::int64_t now = totp_step_at(wall_s);
  std::int64_t found = -1;
  for (std::int64_t step = now - totp_window_steps; step <= now + totp_window_steps; ++step) {
    const bool matches = equal_constant_time(totp_code(secret, step).view(), code);
    if (matches && step >= 0 && step > last_used_step) found = step;
  }
  return found < 0 ? std::nullopt : std::optional(found);
}

SecretText totp_uri(std::string_view issuer, std::string_view account, std::string_view secret) {
  const std::string name = percent_encoded(issuer);
  const SecretText encoded = base32_encode(secret);
  const std::string front = cat("otpauth://totp/", name, ":", percent_encoded(account), "?secret=");
  const std::string back = cat("&issuer=", name, "&algorithm=SHA1&digits=", totp_digits, "&period=", totp_step_s);
  SecretText out(front.size() + encoded.size() + back.size());
  char* at = out.data();
  for (const std::string_view piece : {std::string_view(front), encoded.view(), std::string_view(back)}) {
    at += piece.copy(at, piece.size());
  }
  return out;
}

}  // namespace keepgate::crypto

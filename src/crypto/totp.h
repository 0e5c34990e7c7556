// TOTP: six digits that change every thirty seconds, as authenticator programs show them (RFC 6238 over RFC 4226,
// HMAC-SHA-1: the one kind that all of them know; nothing here needs SHA-1 to resist collisions).
//
// A match says which time step it belongs to. INVARIANT, the caller's: the step of the last match is kept durably and
// handed in with the next try, so that no code passes twice (RFC 6238 §5.2). How often may be guessed is the caller's
// to bound, too: one guess in 333,333 is right. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/secret.h"

namespace keepgate::crypto {

inline constexpr std::size_t totp_digits = 6;
inline constexpr std::int64_t totp_step_s = 30;
inline constexpr std::int64_t totp_window_steps = 1;      // Before and behind: for clocks that differ and slow fingers.
inline constexpr std::size_t totp_secret_bytes = 20;      // What is made (RFC 4226 §4, R6).
inline constexpr std::size_t totp_secret_bytes_min = 16;  // What is taken: R6 asks for no less.
inline constexpr std::size_t totp_secret_bytes_max = 64;

SecretText make_totp_secret();
// From base32 (crypto/base32.h). Nothing if it is none, or shorter or longer than the bounds.
std::optional<SecretText> read_totp_secret(std::string_view base32);

std::int64_t totp_step_at(std::int64_t wall_s);
SecretText totp_code(std::string_view secret, std::int64_t step);

// The step whose code this is: of the window around `wall_s`, and after `last_used_step` (-1: none was used). Nothing:
// it is wrong. Takes as long for either; `code` is exactly six digits, or nothing matches.
std::optional<std::int64_t> matching_totp_step(std::string_view secret, std::string_view code, std::int64_t wall_s,
                                               std::int64_t last_used_step);

// otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=ISSUER, what such programs read from a picture. Holds the secret.
SecretText totp_uri(std::string_view issuer, std::string_view account, std::string_view secret);

}  // namespace keepgate::crypto

// Stored passwords as nginx and the tools around it write them: crypt(3), $apr1$, {PLAIN}, {SHA}, {SSHA}; and Argon2id,
// which is what we make ourselves.
//
// A form that is not listed is not checked, and one that would cost more than the bounds below is not either: nobody
// passes with it. Thread rule: callable from any thread; slow forms take milliseconds to a second and belong on a
// thread that may be busy for so long (password::Pool). Bounds: password_bytes_max, stored_password_bytes_max, and
// those of cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keepgate::crypto {

inline constexpr std::size_t password_bytes_max = 512;  // As crypt(3).
inline constexpr std::size_t stored_password_bytes_max = 384;
inline constexpr unsigned bcrypt_cost_max = 14;
inline constexpr unsigned sha_crypt_rounds_max = 1'000'000;
inline constexpr std::size_t yescrypt_memory_bytes_max = std::size_t{64} << 20;
inline constexpr std::size_t argon2_memory_bytes_max = std::size_t{128} << 20;
inline constexpr std::size_t argon2_work_bytes_max = std::size_t{512} << 20;  // Memory times passes: half a second.
inline constexpr unsigned argon2_lanes_max = 8;

// What make_password_hash() spends: the second choice of RFC 9106 §4 but for its lanes, which libsodium has one of.
inline constexpr std::size_t argon2_memory_bytes = std::size_t{64} << 20;
inline constexpr unsigned argon2_passes = 3;

enum class PasswordForm : std::uint8_t {
  none = 0,      // Not one of these, malformed, or too costly.
  plain,         // {PLAIN}password, not empty.
  sha1,          // {SHA}, base64 of SHA-1.
  salted_sha1,   // {SSHA}, base64 of SHA-1 and the salt that was hashed with it.
  des_crypt,     // 13 characters: crypt(3) of old; eight characters of a password count.
  md5_crypt,     // $1$
  apr1,          // $apr1$, of htpasswd.
  bcrypt,        // $2y$, $2b$, $2a$; 72 bytes of a password count.
  sha256_crypt,  // $5$
  sha512_crypt,  // $6$
  yescrypt,      // $y$
  argon2id,      // $argon2id$, version 19.
};
std::string_view name_of(PasswordForm form);

PasswordForm password_form(std::string_view stored);
// More work than a request's worker may do in between.
bool is_slow(PasswordForm form);

// Takes as long for a wrong password as for the right one. false also where `stored` has no form, and for a password
// that is too long or holds a NUL.
bool matches_password(std::string_view password, std::string_view stored);

// $argon2id$ with a random salt. As slow as is_slow() says. Error{…, "bad_password"} for one that matches_password()
// would not look at, or an empty one; Error{io, us, "no_memory"} where the memory it takes is not to be had.
Result<std::string> make_password_hash(std::string_view password);

}  // namespace keepgate::crypto

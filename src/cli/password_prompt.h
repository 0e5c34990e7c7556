// Passwords that people type: on a terminal, twice and without echo; or one line of standard input.
//
// Thread rule: main thread. Bounds: those of crypto/password_hash.h, and password_bytes_min. What is returned is the
// caller's to wipe.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace keepgate::cli {

inline constexpr std::size_t password_bytes_min = 8;  // NIST SP 800-63B §5.1.1.2.

// `from_stdin`: one line, its newline not counted; else the terminal is asked. Error: there is none, both answers
// differ, or the password is too short or too long.
Result<std::string> read_new_password(std::string_view of_whom, bool from_stdin);

}  // namespace keepgate::cli

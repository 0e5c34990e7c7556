// User: a person who signs in. Thread rule: immutable once shared. Its password's hash is no secret that is shown, but
// it is never logged.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"

namespace keepgate::oauth {

struct User {
  std::string name;           // is_user_name; `sub` is "user:NAME".
  std::string password_hash;  // crypt(3) or Argon2id text; "": nobody signs in with a password.
  std::vector<std::string> roles;
  std::vector<std::pair<std::string, std::string>> claims;  // "email", "name", …: never a reserved one.
  std::string totp_secret;                                  // Base32; "": no second factor.
  bool disabled = false;

  std::string subject() const { return "user:" + name; }
};

inline constexpr std::size_t user_name_bytes_max = 128;
// Not empty, visible, no ':' and no '/', no spaces at its ends: it stands in `sub`, in policies and in logs.
bool is_user_name(std::string_view text);
// Claims that say who issued a token, for whom, and what it allows are written by the server alone.
bool is_reserved_claim(std::string_view name);
std::string fault_of(const User& user);  // "" if nothing is wrong.

// The document of the store. The secret of the second factor is sealed by the caller and is not in it.
std::string write_user(const User& user);
Result<User> read_user(std::string_view document);

using UserTable = std::unordered_map<std::string, std::shared_ptr<const User>>;

}  // namespace keepgate::oauth

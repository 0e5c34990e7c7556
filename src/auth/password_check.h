// What checking a password costs is paid once: the ids of checks, the need for one, and the memory of what was right.
//
// An id is a keyed hash over user, password and stored hash: a file that changed, or one wrong letter, is another id,
// and an id tells nobody a password. Only what was found to be right is remembered, so wrong passwords, however many,
// push nothing out. Thread rule: VerifiedPasswords from any thread; the rest are values. Bounds: entries_max,
// lifetime_ms.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "auth/need.h"
#include "base/clock.h"
#include "crypto/secret.h"

namespace keepgate::auth {

// 32 bytes; the key is the process's own and never leaves it.
std::string password_check_id(std::string_view user, std::string_view password, std::string_view stored);

// Of NeedKind::password, whose key is the id.
struct PasswordNeed final : NeedDetail {
  PasswordNeed(std::string_view its_password, std::string_view its_stored)
      : password(its_password), stored(its_stored) {}
  crypto::SecretText password, stored;
};

struct PasswordAnswer final : AnswerValue {
  explicit PasswordAnswer(bool it_matches) : matches(it_matches) {}
  bool matches;
};

class VerifiedPasswords {
 public:
  static constexpr std::size_t entries_max = 16'384;
  static constexpr std::int64_t lifetime_ms = 300'000;

  VerifiedPasswords();
  ~VerifiedPasswords();
  VerifiedPasswords(const VerifiedPasswords&) = delete;
  VerifiedPasswords& operator=(const VerifiedPasswords&) = delete;

  bool knows(std::string_view id, Now now) const;
  // Where there is no room the one that would be forgotten first goes.
  void remember(std::string_view id, Now now);
  std::size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::auth

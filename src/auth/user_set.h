// UserSet: the users of one file of passwords, as htpasswd writes it: `name:hash` or `name:hash:comment` a line.
//
// Lines that begin with '#' and empty ones say nothing. A line that is no user, or whose hash is not one that we check
// (crypto/password_hash.h), lets nobody in; the others count. Of two lines with one name the first counts, as in nginx.
// Thread rule: immutable after it was built; callable from any thread. Bounds: users_max, line_bytes_max. The text is
// wiped in the end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/password_hash.h"
#include "crypto/secret.h"

namespace keepgate::auth {

class UserSet {
 public:
  static constexpr std::size_t file_bytes_max = std::size_t{16} << 20;
  static constexpr std::size_t line_bytes_max = 2048;
  static constexpr std::size_t users_max = 100'000;

  struct User {
    std::string_view name, stored;
    crypto::PasswordForm form = crypto::PasswordForm::none;  // Never none in a set.
  };

  // The whole text of a file. Error{…, "bad_user_file"} for what breaks a bound; it quotes nothing of the text.
  static Result<std::shared_ptr<const UserSet>> parse(crypto::SecretText text);

  const User* find(std::string_view name) const;  // nullptr: nobody of this name.
  // Whose hash is worked out for somebody who is not known: the same one for the same name each time, any of the file's
  // with the same chance. So unknown names take as long as known ones. nullptr: the file has no users.
  const User* stand_in(std::string_view name) const;
  std::size_t size() const { return users_.size(); }
  // Lines that let nobody in and are no comments, and the number of the first of them with its reason.
  std::size_t unusable() const { return unusable_; }
  const std::string& first_unusable() const { return first_unusable_; }

 private:
  explicit UserSet(crypto::SecretText text) : text_(std::move(text)) {}
  Result<void> read();
  void read_line(std::string_view line, std::size_t number);

  crypto::SecretText text_;
  std::vector<User> users_;  // By name; the views point into `text_`.
  std::size_t unusable_ = 0;
  std::string first_unusable_;
};

}  // namespace keepgate::auth

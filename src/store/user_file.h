// UserFile: a file of users and their passwords (auth_basic_user_file) that is followed.
//
// A file that cannot be used lets nobody in: what it said before does not count any longer, as with nginx.
// Thread rule: as FollowedFile; users() from any thread.
#pragma once

#include <string>

#include "auth/user_set.h"
#include "base/published.h"
#include "store/followed_file.h"

namespace keepgate::store {

class UserFile final : public FollowedText {
 public:
  explicit UserFile(std::string path) : FollowedText(std::move(path), auth::UserSet::file_bytes_max) {}

  // nullptr is published while the file cannot be used.
  const Published<auth::UserSet>& users() const { return users_; }

 private:
  Result<std::string> take(crypto::SecretText text, bool is_settled) override;
  std::string_view lose() override;

  Published<auth::UserSet> users_;
};

}  // namespace keepgate::store

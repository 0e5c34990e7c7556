#include "store/user_file.h"

#include "base/bytes.h"

namespace keepgate::store {

Result<std::string> UserFile::take(crypto::SecretText text, bool /*is_settled*/) {
  auto users = auth::UserSet::parse(std::move(text));
  if (!users) return std::unexpected(std::move(users.error()));
  const auth::UserSet& set = **users;
  std::string out = cat("has ", set.size(), set.size() == 1 ? " user" : " users");
  if (set.unusable() > 0) {
    append(out, ", and ", set.unusable(), set.unusable() == 1 ? " line that lets" : " lines that let", " nobody in (",
           set.first_unusable(), ')');
  }
  users_.publish(std::move(*users));
  return out;
}

std::string_view UserFile::lose() {
  users_.publish(nullptr);
  return "locations that need its users answer 503";
}

}  // namespace keepgate::store

#include "auth/user_set.h"

#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::auth {

namespace {

std::unexpected<Error> bad_user_file(std::string detail) {
  return fail(ErrorKind::malformed, Blame::configuration, "bad_user_file", std::move(detail));
}

// One key for the process: which hash stands in for whom is nobody's business.
const crypto::SipKey& stand_in_key() {
  static const crypto::SipKey key = crypto::SipKey::random();
  return key;
}

}  // namespace

Result<std::shared_ptr<const UserSet>> UserSet::parse(crypto::SecretText text) {
  std::shared_ptr<UserSet> out(new UserSet(std::move(text)));
  if (Result<void> done = out->read(); !done) return std::unexpected(std::move(done.error()));
  return out;
}

// As nginx, a last line counts without its newline too.
Result<void> UserSet::read() {
  std::string_view rest = text_.view();
  if (rest.size() > file_bytes_max) return bad_user_file(cat("larger than ", file_bytes_max, " bytes"));
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.size() > line_bytes_max) {
      return bad_user_file(cat("line ", number, " is longer than ", line_bytes_max, " bytes"));
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with('#')) read_line(line, number);
    if (users_.size() > users_max) return bad_user_file(cat("more than ", users_max, " users"));
  }
  std::ranges::stable_sort(users_, {}, &User::name);
  const auto again = std::ranges::unique(users_, {}, &User::name);
  users_.erase(again.begin(), again.end());
  return {};
}

void UserSet::read_line(std::string_view line, std::size_t number) {
  const auto refuse = [&](std::string_view why) {
    if (unusable_++ == 0) first_unusable_ = cat("line ", number, ": ", why);
  };
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse("no colon");
  User user;
  user.name = line.substr(0, colon);
  if (!is_identity_text(user.name)) return refuse("the name may name nobody");
  user.stored = line.substr(colon + 1);
  user.stored = user.stored.substr(0, user.stored.find(':'));
  user.form = crypto::password_form(user.stored);
  if (user.form == crypto::PasswordForm::none) return refuse("the hash is of no kind that is checked here");
  users_.push_back(user);
}

const UserSet::User* UserSet::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(users_, name, {}, &User::name);
  return found != users_.end() && found->name == name ? &*found : nullptr;
}

const UserSet::User* UserSet::stand_in(std::string_view name) const {
  if (users_.empty()) return nullptr;
  return &users_[crypto::siphash13(stand_in_key(), name) % users_.size()];
}

}  // namespace keepgate::auth

// auth_basic: a user name and a password (RFC 7617), against a file of users as nginx reads it.
#include "auth/basic_credential.h"
#include "auth/challenge.h"
#include "auth/methods.h"
#include "auth/password_check.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

constexpr std::string_view invalid_credentials = "invalid_credentials";
constexpr std::size_t shown_user_max = 100;

// Costs a lock that is held while a pointer is copied.
std::shared_ptr<const UserSet> users_of(const AuthOptions& options) {
  return options.basic.users ? options.basic.users->current() : nullptr;
}

std::shared_ptr<const Principal> basic_principal(std::string_view user) {
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::basic;
  principal->client = user;
  return principal;
}

AuthResult is_wrong(std::string_view user, bool is_known) {
  return AuthResult::is_bad(
      cat("user \"", printable(user, shown_user_max), is_known ? "\": password mismatch" : "\" was not found"),
      invalid_credentials);
}

}  // namespace

// INVARIANT: a name that is not in the file takes the way of one that is, with somebody else's hash, and is refused at
// its end whatever came out.
AuthResult authenticate_by_basic(const AuthInput& input) {
  const std::shared_ptr<const UserSet> users = users_of(input.options);
  if (!users) return AuthResult::is_unavailable("the users of this location cannot be read");
  const Result<BasicCredential> given = basic_credential(input.head);
  if (!given) return AuthResult::is_bad(given.error().detail, invalid_credentials);
  if (!given->is_there) return AuthResult::is_not_mine();

  const UserSet::User* const user = users->find(given->user());
  const UserSet::User* const checked = user ? user : users->stand_in(given->user());
  if (!checked) return is_wrong(given->user(), false);
  bool matches = false;
  if (!crypto::is_slow(checked->form)) {
    matches = crypto::matches_password(given->password(), checked->stored);
  } else {
    std::string id = password_check_id(given->user(), given->password(), checked->stored);
    const bool is_known_to_match = user && input.passwords && input.passwords->knows(id, input.now);
    if (is_known_to_match) return AuthResult::is_good(basic_principal(given->user()));
    const Answer* const answer = input.answers ? input.answers->find(NeedKind::password, id) : nullptr;
    if (!answer) {
      return AuthResult::needs({NeedKind::password, std::move(id),
                                std::make_shared<const PasswordNeed>(given->password(), checked->stored)});
    }
    const auto* value = dynamic_cast<const PasswordAnswer*>(answer->value.get());
    if (!answer->is_good || !value) return AuthResult::is_unavailable(answer->reason);
    matches = value->matches;
    if (matches && user && input.passwords) input.passwords->remember(id, input.now);
  }
  if (!matches || !user) return is_wrong(given->user(), user != nullptr);
  return AuthResult::is_good(basic_principal(given->user()));
}

// RFC 7617 §2.1: how names and passwords are encoded. The scheme has no error codes.
std::string challenge_for_basic(const AuthInput& input, std::string_view) {
  const std::string_view realm = input.options.basic.realm.evaluate(input.variables, input.arena);
  return cat("Basic realm=", quoted(realm), ", charset=\"UTF-8\"");
}

std::string describe_basic(const AuthOptions& options) {
  const std::shared_ptr<const UserSet> users = users_of(options);
  const std::size_t count = users ? users->size() : 0;
  return cat("a password (auth_basic, ", count, count == 1 ? " user)" : " users)");
}

bool is_basic_unusable(const AuthOptions& options) { return users_of(options) == nullptr; }

// nginx: the realm is a text with variables, and `off` is what it may become.
bool is_basic_waived(const AuthInput& input) {
  const route::Template& realm = input.options.basic.realm;
  return !realm.is_literal() && realm.evaluate(input.variables, input.arena) == "off";
}

}  // namespace keepgate::auth

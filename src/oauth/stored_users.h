// Users of the store: made, changed and taken away by an operator.
//
// Thread rule: for jobs on the store's thread. Whoever takes something from a user says so to gateways in the same
// transaction (oauth/revocations.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "oauth/user.h"
#include "store/database.h"

namespace keepgate::oauth {

struct StoredUser {
  std::string name;
  std::optional<User> user;  // Without the second factor's secret. Nothing: its document cannot be used.
  std::string fault;         // Why not.
  bool has_second_factor = false;
  std::int64_t created_s = 0, changed_s = 0;
};

Result<std::vector<StoredUser>> all_stored_users(store::Database& database);  // By name.
Result<std::optional<StoredUser>> find_stored_user(store::Database& database, std::string_view name);

// false: there is one of this name already. INVARIANT: the user has no fault.
Result<bool> add_user(store::Database& database, const User& user, Now now);
// All but the second factor. false: there is none of this name.
Result<bool> change_user(store::Database& database, const User& user, Now now);
// The secret in base32, sealed; "": without. false: there is none of this name.
Result<bool> set_second_factor(store::Database& database, std::string_view name, std::string_view sealed, Now now);
// What the secret is sealed for (crypto/seal.h).
std::string second_factor_purpose(std::string_view name);

// Its sessions end, its grants too, and what was issued for it up to now is taken back.
Result<void> sign_out_user(store::Database& database, std::string_view name, std::int64_t until_s, Now now);
// Signed out, and gone with its consents. false: there was none.
Result<bool> remove_user(store::Database& database, std::string_view name, std::int64_t until_s, Now now);

}  // namespace keepgate::oauth

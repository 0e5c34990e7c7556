// Passwords of users in the configuration: who has another one than at the last start or reload is signed out.
//
// The store keeps a keyed mark of each hash, so that it is noticed whenever it changed, in whichever process. A user
// who is new, or who leaves the configuration, keeps what there is: nobody else learned a password. Thread rule: for
// jobs on the store's thread. Bounds: a row for each name that the configuration ever had.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "oauth/settings.h"
#include "store/database.h"

namespace keepgate::oauth {

// `key`: of the server; with it a mark tells nothing of its hash.
Result<void> sign_out_changed_users(store::Database& database, const Settings& settings, std::string_view key, Now now);

}  // namespace keepgate::oauth

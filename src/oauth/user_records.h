// Users of the configuration and of the store, one after the other. Thread rule: for jobs on the store's thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "crypto/secret.h"
#include "oauth/settings.h"
#include "oauth/user.h"
#include "store/database.h"

namespace keepgate::oauth {

// Of the configuration if it names the user, else of the store; nothing: nobody has this name. `wrapping_key` opens the
// second factor's secret.
Result<std::optional<User>> find_user(store::Database& database, const Settings& settings,
                                      const crypto::SecretText& wrapping_key, std::string_view name);

}  // namespace keepgate::oauth

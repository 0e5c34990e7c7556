// Small texts that explain, who_can and the tests of a policy share. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"

namespace keepgate::policy {

// "client:web on behalf of user:alice", "anonymous" for nullptr.
std::string describe(const auth::Principal* principal);
std::string joined(const std::vector<std::string>& texts, std::string_view separator);

}  // namespace keepgate::policy

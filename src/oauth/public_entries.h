// Who has proven nothing may still make rows in the store: public clients that push requests or begin a device flow.
// How many, from one network, is bounded here. Thread rule: its worker's.
#pragma once

#include "oauth/client_authentication.h"

namespace keepgate::oauth {

// 429 with Retry-After where a network asks for too many. Clients that authenticated are not counted.
Checked<void> check_entry(const Context& context, const AuthenticatedClient& who);

}  // namespace keepgate::oauth

#include "auth/methods.h"

#include <algorithm>

namespace keepgate::auth {

namespace {

// What is asked last speaks for the caller: where several are good, the policy sees the identity of the last one. A
// token names a customer, so it comes behind what only authenticates the connection.
constexpr Method table[] = {
    {
        .name = AuthMethod::jwt,
        .is_asked_for = [](const AuthOptions& o) { return o.jwt.enabled; },
        .authenticate = authenticate_by_jwt,
        .challenge = challenge_for_jwt,
        .describe = describe_jwt,
        .is_unusable = [](const AuthOptions& o) { return o.jwt.keys == nullptr && o.jwt.issuers.empty(); },
    },
    {
        .name = AuthMethod::variable,
        .is_asked_for = [](const AuthOptions& o) { return o.identity_variable.has_value(); },
        .authenticate = authenticate_by_variable,
        .describe = [](const AuthOptions&) { return std::string("an identity from a variable (auth_identity)"); },
    },
};

}  // namespace

std::span<const Method> methods() { return table; }

bool asks_for_credential(const AuthOptions& options) {
  return std::ranges::any_of(table, [&](const Method& method) { return method.is_asked_for(options); });
}

}  // namespace keepgate::auth

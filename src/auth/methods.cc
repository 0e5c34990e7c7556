#include "auth/methods.h"

#include <algorithm>

#include "auth/http_signature.h"

namespace keepgate::auth {

namespace {

// What is asked last speaks for the caller: where several are good, the policy sees the identity of the last one. A
// token names a customer, so it comes behind what only authenticates the connection.
constexpr Method table[] = {
    {
        .name = AuthMethod::client_certificate,
        .is_asked_for = [](const AuthOptions& o) { return o.certificate.enabled; },
        .authenticate = authenticate_by_client_certificate,
        .challenge = challenge_for_client_certificate,
        .describe = [](const AuthOptions&) { return std::string("a client certificate (auth_client_certificate)"); },
        .names_workloads = true,
    },
    {
        .name = AuthMethod::api_key,
        .is_asked_for = [](const AuthOptions& o) { return o.api_key.enabled; },
        .authenticate = authenticate_by_api_key,
        .challenge = challenge_for_api_key,
        .describe = describe_api_key,
        .is_unusable = is_api_key_unusable,
    },
    {
        .name = AuthMethod::signature,
        .is_asked_for = [](const AuthOptions& o) { return o.signature != nullptr; },
        .authenticate = authenticate_by_signature,
        .challenge = challenge_for_signature,
        .describe = describe_signature,
        .is_unusable = [](const AuthOptions& o) { return o.signature->keys == nullptr; },
    },
    {
        .name = AuthMethod::basic,
        .is_asked_for = [](const AuthOptions& o) { return o.basic.enabled; },
        .authenticate = authenticate_by_basic,
        .challenge = challenge_for_basic,
        .describe = describe_basic,
        .is_unusable = is_basic_unusable,
        .is_waived = is_basic_waived,
    },
    {
        .name = AuthMethod::jwt,
        .is_asked_for = [](const AuthOptions& o) { return o.jwt.enabled; },
        .authenticate = authenticate_by_jwt,
        .challenge = challenge_for_jwt,
        .describe = describe_jwt,
        .is_unusable =
            [](const AuthOptions& o) {
              return !o.jwt.keys && !o.jwt.requested && o.jwt.issuers.empty() && !o.introspection;
            },
    },
    {
        .name = AuthMethod::introspection,
        .is_asked_for = [](const AuthOptions& o) { return o.introspection != nullptr && !o.jwt.enabled; },
        .authenticate = authenticate_by_introspection,
        .challenge = challenge_for_jwt,
        .describe = describe_introspection,
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

// auth_identity $variable: the identity is what the operator's map says. Empty: nobody, which refuses no one by itself.
#include "auth/methods.h"

namespace keepgate::auth {

AuthResult authenticate_by_variable(const AuthInput& input) {
  const std::string_view name = input.variables.variable(*input.options.identity_variable);
  if (name.empty()) return AuthResult::is_not_mine();
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::variable;
  principal->client = std::string(name);
  return AuthResult::is_good(std::move(principal));
}

}  // namespace keepgate::auth

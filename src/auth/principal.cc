#include "auth/principal.h"

#include "base/bytes.h"

namespace keepgate::auth {

std::string_view name_of(AuthMethod method) {
  switch (method) {
    case AuthMethod::jwt:
      return "jwt";
    case AuthMethod::transaction_token:
      return "txn-token";
    case AuthMethod::variable:
      return "variable";
    case AuthMethod::client_certificate:
      return "client-certificate";
    case AuthMethod::basic:
      return "basic";
    case AuthMethod::api_key:
      return "api-key";
    case AuthMethod::introspection:
      return "introspection";
    case AuthMethod::signature:
      return "signature";
    case AuthMethod::none:
      break;
  }
  return "none";
}

std::string Principal::describe() const {
  if (!identified()) return "anonymous";
  std::string out;
  if (!client.empty()) {
    out = cat("client:", client);
  } else if (!service.empty()) {
    out = service.starts_with("spiffe://") ? service : cat("service:", service);
  }
  if (!user.empty()) append(out, out.empty() ? "" : " on behalf of ", "user:", user);
  return out;
}

}  // namespace keepgate::auth

// Principal: who asks, in two parts: the requester (a client or service) and the customer on whose behalf it calls.
//
// The same form whatever the credential was. Made only from verified facts. Thread rule: immutable after it was made,
// but for `policy_slot`, which belongs to the one worker whose cache holds the Principal. Lifetime: owns its strings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keepgate::auth {

// How the identity was proven. Zero: not at all.
enum class AuthMethod : std::uint8_t {
  none = 0,
  jwt,
  transaction_token,
  variable,  // auth_identity
  client_certificate,
  basic,
  api_key,
  introspection,
  signature,  // HTTP Message Signatures
};

std::string_view name_of(AuthMethod method);  // "none", "jwt", "txn-token", "variable", "client-certificate", …

struct Principal {
  AuthMethod method = AuthMethod::none;
  std::string client;   // Requester: OAuth client or API client; "" if unknown.
  std::string service;  // Requester that is a workload (a SPIFFE id or a service name); "" if none.
  std::string user;     // Customer; "" if the client acts for itself.
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::string assurance;  // How well it was proven, in the words of who proved it (`acr`); "" if unknown.

  bool identified() const { return !client.empty() || !user.empty() || !service.empty(); }
  // "client:web on behalf of user:alice", "user:alice", "anonymous": for logs and explain.
  std::string describe() const;

  // A place for the policy to keep what it worked out about this principal; valid for that policy generation only.
  struct PolicySlot {
    std::uint64_t policy_generation = 0;
    std::shared_ptr<const void> value;
  };
  mutable PolicySlot policy_slot;
};

}  // namespace keepgate::auth

// AuthOptions: what one location asks of its callers, as plain values.
//
// Each method has its options here, in the order of the table in methods.cc. Thread rule: immutable in a Snapshot.
#pragma once

#include <cstdint>
#include <optional>

#include "auth/address_rules.h"
#include "auth/jwt.h"
#include "route/template.h"

namespace keepgate::auth {

enum class Satisfy : std::uint8_t { all = 0, any };

struct AuthOptions {
  Satisfy satisfy = Satisfy::all;
  AddressRules addresses;  // allow, deny
  JwtOptions jwt;          // auth_jwt…
  // auth_dpop_scheme: how clients see us, where TLS ends in front of us. Absent: as the connection is.
  std::optional<bool> dpop_over_tls;
  std::optional<route::VariableRef> identity_variable;  // auth_identity
};

}  // namespace keepgate::auth

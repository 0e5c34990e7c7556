// AuthOptions: what one location asks of its callers, as plain values.
//
// Each method has its options here, in the order of the table in methods.cc. Thread rule: immutable in a Snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "auth/address_rules.h"
#include "auth/api_key_credential.h"
#include "auth/jwt.h"
#include "route/template.h"

namespace keepgate::auth {

enum class CertificateName : std::uint8_t { san_uri = 0, san_dns, common_name };

struct CertificateOptions {
  bool enabled = false;
  CertificateName name = CertificateName::san_uri;
  std::string realm;
};

enum class Satisfy : std::uint8_t { all = 0, any };

struct AuthOptions {
  Satisfy satisfy = Satisfy::all;
  AddressRules addresses;          // allow, deny
  CertificateOptions certificate;  // auth_client_certificate
  ApiKeyOptions api_key;           // auth_api_key…
  JwtOptions jwt;                  // auth_jwt…
  // auth_dpop_scheme: how clients see us, where TLS ends in front of us. Absent: as the connection is.
  std::optional<bool> dpop_over_tls;
  std::optional<route::VariableRef> identity_variable;  // auth_identity
};

}  // namespace keepgate::auth

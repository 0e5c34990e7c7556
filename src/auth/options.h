// AuthOptions: what one location asks of its callers, as plain values.
//
// Each method has its options here, in the order of the table in methods.cc. Thread rule: immutable in a Snapshot.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/address_rules.h"
#include "auth/api_key_credential.h"
#include "auth/jwt.h"
#include "auth/user_set.h"
#include "base/published.h"
#include "route/template.h"

namespace keepgate::auth {

struct IntrospectionOptions;  // auth/introspection.h
struct SignatureOptions;      // auth/http_signature.h

enum class CertificateName : std::uint8_t { san_uri = 0, san_dns, common_name };

struct CertificateOptions {
  bool enabled = false;
  CertificateName name = CertificateName::san_uri;
  std::string realm;
};

struct BasicOptions {
  bool enabled = false;
  route::Template realm;                            // "off", where it has variables: not asked.
  std::shared_ptr<const Published<UserSet>> users;  // nullptr, or nothing published: unusable → 503.
  bool forwards = false;                            // The service sees the password (auth_basic_forward on).
};

enum class Satisfy : std::uint8_t { all = 0, any };

struct AuthOptions {
  Satisfy satisfy = Satisfy::all;
  AddressRules addresses;                                     // allow, deny
  CertificateOptions certificate;                             // auth_client_certificate
  ApiKeyOptions api_key;                                      // auth_api_key…
  BasicOptions basic;                                         // auth_basic…
  JwtOptions jwt;                                             // auth_jwt…
  std::shared_ptr<const IntrospectionOptions> introspection;  // auth_introspect; nullptr: off.
  std::shared_ptr<const SignatureOptions> signature;          // auth_http_signature; nullptr: off.
  // auth_dpop_scheme: how clients see us, where TLS ends in front of us. Absent: as the connection is.
  std::optional<bool> dpop_over_tls;
  std::optional<route::VariableRef> identity_variable;  // auth_identity
  std::string request_uri;                              // auth_request: a location of ours; "": nobody is asked.

  // Is a token asked for whose claims are known when it is good?
  bool asks_for_token() const { return jwt.enabled || introspection != nullptr; }
};

}  // namespace keepgate::auth

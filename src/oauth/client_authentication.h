// Who asks: the client authentication of the endpoints (RFC 6749 §2.3, RFC 7521, RFC 7523 §3, RFC 8705 §2).
//
// Exactly one way at a time; a client proves itself by what was registered for it and by nothing else. Every refusal is
// invalid_client with the same words, so that nobody learns which ids there are; a secret that is compared for an id
// that does not exist costs what a wrong one costs. Thread rule: its worker's.
#pragma once

#include <memory>
#include <string>

#include "oauth/context.h"

namespace keepgate::oauth {

enum class ClientProofKind : std::uint8_t { none = 0 /* public */, secret, assertion, certificate };

struct AuthenticatedClient {
  std::shared_ptr<const Client> client;
  ClientProofKind proof = ClientProofKind::none;
  std::string certificate_thumbprint;  // x5t#S256 of the certificate that was shown and verified; "": none was.
};

enum class PublicClients : std::uint8_t { refused = 0, accepted };

net::Task<Checked<AuthenticatedClient>> authenticate_client(Context& context, PublicClients public_clients);

// RFC 7523 §3: an assertion lives so long at the most.
inline constexpr std::int64_t assertion_lifetime_s_max = 300;
inline constexpr std::int64_t old_assertion_lifetime_s_max = 3600;  // Of clients with `old_assertions on`.
inline constexpr std::int64_t assertion_leeway_s = 10;              // FAPI 2.0, 5.3.2.1: clocks may differ by as much.
inline constexpr std::string_view assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

}  // namespace keepgate::oauth

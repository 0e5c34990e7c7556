// Tokens that are bound to a client's certificate (RFC 8705 §3): who holds the token without its key has nothing.
// Thread rule: pure functions.
#pragma once

#include <string>

#include "crypto/certificate.h"
#include "crypto/json.h"

namespace keepgate::auth {

// "" where the claims ask for no certificate, or for the one that the client showed: its handshake proved that it has
// the key, whoever vouches for it. Else why not. Asked for each use of a token, also of one that a cache knows.
std::string fault_of_certificate_binding(const crypto::Json& claims, const crypto::PresentedCertificate* certificate);

}  // namespace keepgate::auth

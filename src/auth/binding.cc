#include "auth/binding.h"

#include "crypto/base64url.h"
#include "crypto/digest.h"

namespace keepgate::auth {

std::string fault_of_certificate_binding(const crypto::Json& claims, const crypto::PresentedCertificate* certificate) {
  const crypto::Json* const confirmation = claims.find("cnf");
  if (!confirmation) return {};
  // RFC 7800 §3.1. What cannot be read may have been meant to bind.
  if (!confirmation->object()) return "the token's cnf is no object";
  const crypto::Json* const bound = confirmation->find("x5t#S256");
  if (!bound) return {};
  const std::string* const thumbprint = bound->string();
  if (!thumbprint) return "the token's x5t#S256 is no text";
  if (!certificate || certificate->leaf.der.empty())
    return "the token is bound to a certificate, and the client showed none";
  const std::array<unsigned char, 32> digest = certificate->leaf.sha256();
  const std::string shown = crypto::base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
  if (!crypto::equal_constant_time(shown, *thumbprint)) return "the token is bound to another certificate";
  return {};
}

}  // namespace keepgate::auth
